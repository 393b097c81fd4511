"""Sixteen candidates a register: a numba type for a vector of 16 numbers, and the operations on it.

numba reaches LLVM's own vector type, so that loops over small matrices, one sample a lane, need neither a compiler
at installation nor luck with an automatic vectoriser. For use inside ``numba.njit`` functions only: arrays are
flat, ``at`` counts numbers from their start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
"""One AVX-512 register of float32; LLVM takes several where registers are narrower."""

Generator = Callable[[Any, Any, Any, Any], Any]
"""numba's code generator: (context, builder, signature, arguments) → LLVM value."""


class Lanes(types.Type):
    """16 numbers of ``scalar``, float32 or float64."""

    def __init__(self, scalar: Any) -> None:
        self.scalar = scalar
        super().__init__(name=f"Lanes({scalar})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(manager.lookup(lanes.scalar).get_value_type(), LANES))


@intrinsic
def load(_: Any, array: Any, at: Any) -> tuple[Any, Generator]:
    """16 numbers of ``array`` from ``at`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        value = builder.load(_pointer(context, builder, signature, arguments, vector))
        value.align = array.dtype.bitwidth // 8
        return value

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(_: Any, array: Any, at: Any, value: Any) -> tuple[Any, Generator]:
    """Put 16 numbers into ``array`` from ``at`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        done = builder.store(arguments[2], _pointer(context, builder, signature, arguments, arguments[2].type))
        done.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, vector: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    size = ir.Constant(arguments[1].type, signature.args[0].dtype.bitwidth // 8)
    return builder.bitcast(
        cgutils.pointer_add(builder, array.data, builder.mul(arguments[1], size)), vector.as_pointer()
    )


@intrinsic
def fill(_: Any, number: Any) -> tuple[Any, Generator]:
    """The same number in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        first = ir.Constant(ir.IntType(32), 0)
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[0], first)
        return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return Lanes(number)(number), generate


def _two(instruction: str) -> Any:
    @intrinsic
    def operation(_: Any, a: Any, b: Any) -> tuple[Any, Generator]:
        return a(a, b), lambda context, builder, signature, arguments: getattr(builder, instruction)(*arguments)

    return operation


add, mul, div = _two("fadd"), _two("fmul"), _two("fdiv")


def _function(name: str, builder: Any, arguments: Any, bits: int) -> Any:
    vector = arguments[0].type
    signature = ir.FunctionType(vector, [vector] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{LANES}f{bits}")
    return builder.call(function, arguments)


@intrinsic
def fma(_: Any, a: Any, b: Any, c: Any) -> tuple[Any, Generator]:
    """a·b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _function("fma", builder, arguments, a.scalar.bitwidth)

    return a(a, b, c), generate


@intrinsic
def least(_: Any, a: Any, b: Any) -> tuple[Any, Generator]:
    """The smaller of two numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _function("minnum", builder, arguments, a.scalar.bitwidth)

    return a(a, b), generate


@intrinsic
def lane_sum(_: Any, value: Any) -> tuple[Any, Generator]:
    """The sum of the 16 numbers, halves upon halves."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, half = arguments[0], LANES // 2
        while half:
            at = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [(i + half) % LANES for i in range(LANES)])
            total, half = builder.fadd(total, builder.shuffle_vector(total, total, at)), half // 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return value.scalar(value), generate


@intrinsic
def admissible(_: Any, value: Any, pivot: Any) -> tuple[Any, Generator]:
    """``value`` where it is a number and ``pivot`` is above 0, elsewhere −∞."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[0].type
        zero = ir.Constant(vector, [ir.Constant(vector.element, 0.0)] * LANES)
        never = ir.Constant(vector, [ir.Constant(vector.element, float("-inf"))] * LANES)
        good = builder.and_(
            builder.fcmp_ordered(">", arguments[1], zero), builder.fcmp_ordered("ord", arguments[0], arguments[0])
        )
        return builder.select(good, arguments[0], never)

    return value(value, pivot), generate
