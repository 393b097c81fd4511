"""G and H of every candidate on a CUDA device: one matrix product and one Triton kernel a pick."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding, FactoredEmbedding
from fbench.fisher.selection.candidates.plain import Plain
from fbench.fisher.selection.few_rows import FewRows

_REGISTERS = 1024
"""Numbers of a program's R × R tiles: 8 a thread at four warps, so that a dozen tiles fit the registers."""


class Fused(Plain):
    """``Plain``'s G and H [n, r, r] in float32, updated and scored in one pass over memory."""

    def __init__(self, V: Embedding, alpha: float, sign: int) -> None:
        super().__init__(V, alpha, sign)
        self._scores, self._traces = (torch.empty(V.n, dtype=V.dtype, device=V.device) for _ in range(2))

    def load(self, P: Tensor | FewRows, Q: Tensor) -> None:
        super().load(P, Q)
        self._launch(self.G, self.G, -1)

    def fill(self, G: Tensor, H: Tensor) -> None:
        super().fill(G, H)
        self._launch(self.G, self.G, -1)

    def absorb(self, rows: Tensor) -> None:
        rows, V = self.alpha**0.5 * rows, self.V
        if isinstance(V, FactoredEmbedding):
            A = rows.view(len(rows), V.k, -1).permute(2, 1, 0).reshape(-1, V.k * len(rows))
            self._launch(V.h @ A, V.S, V.k)
        else:
            UY = V.project(rows.T).contiguous()
            self._launch(UY, UY, 0)

    def scores(self) -> Tensor:
        return self._scores

    def traces(self) -> Tensor:
        return self._traces

    def _launch(self, X: Tensor, S: Tensor, k: int) -> None:
        from fbench.fisher.selection.candidates import triton_kernels

        r = self.V.rows
        R = max(16, 1 << (r - 1).bit_length())
        C = max(1, _REGISTERS // (R * R))
        state = (X, S.contiguous(), self.G, self.H, self._scores, self._traces)
        with _current(X.device):
            triton_kernels.absorb[(-(-self.V.n // C),)](*state, self.V.n, self.sign, r, k, R, C)


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, wherever its arguments lie."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@cache
def works(device: torch.device) -> bool:
    """Whether Triton compiles and runs there, tried once: it needs a C compiler where it runs."""
    try:
        tiny = FactoredEmbedding(torch.ones(1, 1, 2, device=device), torch.ones(1, 1, device=device))
        trial = Fused(tiny, 0.5, 1)
        eye = torch.eye(2, device=device)
        trial.load(eye, eye)
        trial.absorb(0.1 * torch.ones(2, 2, device=device))
        return bool(torch.isfinite(trial.scores()).all())
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(f"scores on {device} by plain torch, several times slower: Triton fails: {reason}", stacklevel=2)
        return False
