"""The Triton kernel without a GPU: run by Triton's interpreter, compiled for a GPU that is not there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from command import interpreted

from fbench.fisher.selection.candidates import choice as module
from fbench.fisher.selection.candidates import fused
from fbench.fisher.selection.candidates.plain import Plain

pytest.importorskip("triton")

INTERPRETED = """
import torch
from fbench.fisher.selection.candidates.plain import Plain
from fbench.fisher.embeddings import DenseEmbedding, FactoredEmbedding
from fbench.fisher.selection.candidates.fused import Fused, works

torch.manual_seed(0)
for sign in (1, -1):
    for n, r, k in ((1, 1, 2), (7, 3, 4), (5, 9, 10), (3, 17, 18)):
        for kind in ("factored", "dense"):
            h = 2
            if kind == "factored":
                V = FactoredEmbedding(0.3 * torch.randn(n, r, k), torch.randn(n, h))
            else:
                V = DenseEmbedding(0.3 * torch.randn(n, r, k * h))
            d = V.dim
            A, B = torch.randn(d, d) / d, torch.randn(d, d)
            P, Q = A @ A.T, B @ B.T
            mine, plain = Fused(V, 0.6, sign), Plain(V, 0.6, sign)
            for step in range(3):
                rows = 0.03 * torch.randn(2 * r, d)
                for each in (mine, plain):
                    each.absorb(rows) if step else each.load(P, Q)
                torch.testing.assert_close(mine.G, plain.G, rtol=1e-5, atol=1e-5)
                torch.testing.assert_close(mine.H, plain.H, rtol=1e-5, atol=1e-4)
                torch.testing.assert_close(mine.traces(), plain.traces(), rtol=1e-5, atol=1e-4)
                torch.testing.assert_close(mine.scores(), plain.scores(), rtol=1e-4, atol=1e-4)
V = DenseEmbedding(torch.randn(4, 2, 3))
never = Fused(V, 1.0, -1)
never.load(100 * torch.eye(3), torch.eye(3))
assert bool((never.scores() == -torch.inf).all())
assert works(torch.device("cpu"))
print("agrees")
"""


def test_the_interpreted_kernel_agrees_with_plain_torch() -> None:
    done = interpreted(INTERPRETED)
    assert done.stdout.strip() == "agrees", done.stderr[-2000:]


COMPILED = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from fbench.fisher.selection.candidates.triton_kernels import absorb

signature = {name: "*fp32" for name in ("X", "S", "G", "H", "scores", "traces")} | {"n": "i32", "sign": "i32"}
signature |= {name: "constexpr" for name in ("r", "k", "R", "C")}
for r, k, R, C in ((9, 10, 16, 4), (9, 0, 16, 4), (9, -1, 16, 4)):
    source = ASTSource(absorb, signature=signature, constexprs={"r": r, "k": k, "R": R, "C": C})
    code = compile(source, target=GPUTarget("cuda", 90, 32)).asm
    assert len(code["cubin"]) > 0
    assert ".tf32" not in code["ptx"]  # three decimal digits would not do
print("compiles")
"""


def test_the_kernel_compiles_for_a_gpu_that_is_not_here() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "compiles", done.stderr[-2000:]


def test_where_triton_fails_torch_does_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fused.works.cache_clear()

    def broken(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nMore.")

    monkeypatch.setattr(fused.Fused, "_launch", broken)
    with pytest.warns(
        UserWarning, match=r"plain torch, several times slower: Triton fails: Failed to find C compiler\.$"
    ):
        assert not fused.works(torch.device("cpu"))
    fused.works.cache_clear()


@pytest.mark.gpu
def test_on_a_gpu_it_is_the_form_that_is_chosen() -> None:
    from fbench.fisher.embeddings import DenseEmbedding

    V = DenseEmbedding(torch.randn(40, 9, 20, device="cuda"))
    mine, plain = module.candidates(V, 0.5, 1), Plain(V, 0.5, 1)
    assert isinstance(mine, fused.Fused)
    P = torch.eye(20, device="cuda")
    mine.load(P, P)
    plain.load(P, P)
    torch.testing.assert_close(mine.scores(), plain.scores(), rtol=1e-4, atol=1e-4)
