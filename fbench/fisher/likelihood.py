"""The categorical likelihood: probabilities and the k−1 rows that carry a sample's whole Fisher information.

Letters as in MATH.md ("The k−1 rows"): n candidates, k classes, p [n, k] probabilities, u = √p. One sample's Fisher in
logit space is diag(p) − ppᵀ = SᵀS with S = diag(u)(I − 1pᵀ) of rank k−1, so k−1 rows R with RᵀR = SᵀS do as well:
R = T diag(u), where the rows of T are an orthonormal basis of u's complement.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fbench.errors import InputError

_PART = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Numbers of a temporary: whole, three times the rows themselves would be held beside them."""

_CHECKED = 1 << 22
"""Numbers that are looked at together."""


def check_finite(name: str, values: Tensor) -> None:
    """Refuse NaN and infinities, naming the first.

    Raises:
        InputError: ``values`` has an entry that is not finite.

    Example:
        >>> check_finite("logits", torch.tensor([[0.0, torch.inf]]))
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: logits[0, 1] is inf; every value must be finite: check the network's training
    """
    step = max(1, _CHECKED // max(1, values[:1].numel()))  # values may lie in a file, and are read by parts
    parts = torch.split(values, step)
    sums = torch.stack([part.sum() for part in parts])  # NaN and infinities reach them, at a fifth of isfinite's cost
    if bool(torch.isfinite(sums).all()):
        return
    for number, part in enumerate(parts):
        bad = ~torch.isfinite(part)
        if bool(bad.any()):
            row, *rest = (int(i) for i in bad.nonzero()[0])
            value = part[row][tuple(rest)].item()
            where = ", ".join(map(str, [number * step + row, *rest]))
            raise InputError(f"{name}[{where}] is {value}; every value must be finite: check the network's training")


def logit_rows(logits: Tensor) -> Tensor:
    """R [n, k−1, k] with R_xᵀR_x = diag(p_x) − p_x p_xᵀ, from logits [n, k].

    The rows come from the Householder reflection that maps u to the axis of the largest p: with a fixed pivot,
    a small p there would lose every digit in float32.

    Raises:
        InputError: logits that are not [n, k] with k ≥ 2, or not finite.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0, -1.0]], dtype=torch.float64)
        >>> R, p = logit_rows(logits)[0], torch.softmax(logits, dim=1)[0]
        >>> R.shape, torch.allclose(R.T @ R, torch.diag(p) - torch.outer(p, p))
        (torch.Size([2, 3]), True)
    """
    if logits.ndim != 2 or logits.shape[1] < 2 or not logits.is_floating_point():
        shape = f"{list(logits.shape)}, {logits.dtype}"
        raise InputError(f"logits of shape {shape}: must be floating point [n, k] with k ≥ 2 classes")
    check_finite("logits", logits)
    n, k = logits.shape
    rows = logits.new_empty(n, k - 1, k)
    step = max(1, _PART.get(logits.device.type, 1 << 26) // k**2)
    for start in range(0, n, step):
        rows[start : start + step] = _householder_rows(logits[start : start + step])
    return rows


def _householder_rows(logits: Tensor) -> Tensor:
    n, k = logits.shape
    u = torch.log_softmax(logits, dim=1).mul(0.5).exp()
    pivot = u.argmax(dim=1, keepdim=True)
    top = u.gather(1, pivot)
    T = torch.eye(k, dtype=u.dtype, device=u.device) - u[:, :, None] * (u / (1 + top))[:, None, :]
    T.scatter_(2, pivot[:, None, :].expand(n, k, 1), -u[:, :, None])
    order = torch.arange(k - 1, device=u.device)
    others = order + (order >= pivot)  # every row but the pivot's
    return T.gather(1, others[:, :, None].expand(n, k - 1, k)) * u[:, None, :]


def score_rows(logits: Tensor, labels: Tensor) -> Tensor:
    """The sampled Fisher's row [n, 1, k]: ∇_z log p(y given x) = e_y − p, for labels y [n] and logits z [n, k].

    Example:
        >>> score_rows(torch.zeros(1, 4), torch.tensor([2])).tolist()
        [[[-0.25, -0.25, 0.75, -0.25]]]
    """
    p = torch.softmax(logits, dim=1)
    return (torch.nn.functional.one_hot(labels, p.shape[1]).to(p.dtype) - p)[:, None, :]
