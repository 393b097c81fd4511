"""What was defined in Python itself, in a notebook, a script, or a module of the user's: whose code it is, and how
worker processes get it: by value, in a file that they load.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fbench.errors import UsageError
from fbench.harness.registry import REGISTRIES, modules_of, plugin_packages, unguarded
from fbench.harness.suite import Suite, stored

_INSTALL = """import pickle
from pathlib import Path

from fbench.harness.registry import REGISTRIES

for kind, value in pickle.loads(Path(__file__).with_suffix(".pickle").read_bytes()):
    REGISTRIES[kind].put(value)
"""
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


class Definition(NamedTuple):
    """A registered thing that neither fbench, a plug-in nor a ``--load`` file has: its registry, and itself."""

    kind: str
    value: Any

    def __str__(self) -> str:
        return f"{REGISTRIES[self.kind].kind} {self.value.name!r}"


def definitions(suite: Suite, options: Any) -> list[Definition]:
    """What a run uses of what was defined in Python: the suite, and what its options name."""
    names = set(_texts(stored(options)))
    used = [Definition("suites", unguarded(suite))] if _is_defined(suite) else []
    for kind in ("kernels", "strategies", "datasets", "models"):
        used += [
            Definition(kind, unguarded(value))
            for value in REGISTRIES[kind]
            if value.name in names and _is_defined(value)
        ]
    return used


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of JSON, and what stands in it before a colon, as in ``kernel:no-inner``."""
    if isinstance(value, str):
        yield from (value, value.partition(":")[0])
    elif isinstance(value, list | dict):
        for held in value.values() if isinstance(value, dict) else value:
            yield from _texts(held)


def _is_defined(value: Any) -> bool:
    known = {"fbench", *plugin_packages()}
    return any(
        module.split(".")[0] not in known and not module.startswith("fbench_loaded_") for module in modules_of(value)
    )


def loaded_entries(defined: Sequence[Definition]) -> list[dict[str, str]]:
    """What ``options.json`` says of them among the loaded files."""
    entries = []
    for definition in defined:
        code = hashlib.sha256("\n".join(_told(definition.value, set())).encode()).hexdigest()
        entries.append({"path": "", "name": str(definition), "sha256": code, "code": code})
    return entries


def _told(value: Any, seen: set[int]) -> Iterator[str]:
    """What a value does, as texts that are the same in every process: code, constants, and what these use."""
    if isinstance(value, _PLAIN):
        yield repr(value)
    elif id(value) in seen:
        return
    elif isinstance(value, types.FunctionType | types.CodeType | type):
        seen.add(id(value))
        yield from _code_of(value, seen)
    elif isinstance(value, tuple | list | frozenset | set):
        yield type(value).__name__
        yield from sorted(map(repr, value)) if isinstance(value, frozenset | set) else _all_told(value, seen)
    elif isinstance(value, Mapping):
        yield from _all_told([part for item in value.items() for part in item], seen)
    elif hasattr(value, "__dataclass_fields__"):
        yield from _all_told([getattr(value, name) for name in value.__dataclass_fields__], seen)
    else:
        yield f"{type(value).__module__}.{type(value).__qualname__}"


def _all_told(values: Sequence[Any], seen: set[int]) -> Iterator[str]:
    for value in values:
        yield from _told(value, seen)


def _code_of(value: types.FunctionType | types.CodeType | type, seen: set[int]) -> Iterator[str]:
    if isinstance(value, types.CodeType):
        yield value.co_code.hex()
        yield from value.co_names
        yield from _all_told(value.co_consts, seen)
    elif getattr(value, "__module__", "").split(".")[0] in {"fbench", *plugin_packages(), "builtins"}:
        yield f"{value.__module__}.{value.__qualname__}"
        if isinstance(value, types.FunctionType):  # what ours wraps of theirs
            yield from _all_told([cell.cell_contents for cell in value.__closure__ or ()], seen)
    elif isinstance(value, types.FunctionType):
        yield from _told(value.__code__, seen)
        yield from _all_told([value.__defaults__, value.__kwdefaults__], seen)
        yield from _all_told([cell.cell_contents for cell in value.__closure__ or ()], seen)
        used = [value.__globals__[name] for name in value.__code__.co_names if name in value.__globals__]
        yield from _all_told(used, seen)
    else:
        members = {name: held for name, held in vars(value).items() if not name.startswith("_") or callable(held)}
        yield from _all_told([part for name in sorted(members) for part in (name, members[name])], seen)


@contextlib.contextmanager
def as_file(defined: Sequence[Definition]) -> Iterator[tuple[Path, ...]]:
    """A file that registers the definitions where it is loaded; none where there are none.

    Raises:
        UsageError: one that cannot be sent to another process; says what to do.
    """
    if not defined:
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="fbench-") as folder:
        file = Path(folder) / "defined.py"
        file.with_suffix(".pickle").write_bytes(_pickled(defined))
        file.write_text(_INSTALL)
        yield (file,)


def _pickled(defined: Sequence[Definition]) -> bytes:
    import cloudpickle

    for definition in defined:
        try:
            cloudpickle.dumps(definition.value)
        except Exception as error:
            raise UsageError(
                f"{definition} cannot be sent to a worker process: {type(error).__name__}: {error}; keep what it uses "
                "in its own function, or put it in a file and give load=[FILE]"
            ) from error
    data: bytes = cloudpickle.dumps([tuple(definition) for definition in defined])
    return data
