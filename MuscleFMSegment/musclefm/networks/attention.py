"""SAM's attention with relative positions, by torch's fused kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musclefm.networks.segment_anything import modeling

# Of the bias between all pairs of tokens, which is held for a part of the queries at a time:
# little enough for a processor's cache.
_BIAS_BYTES = 12 * 2**20


class FusedAttention(nn.Module):
    """segment-anything's attention with the same parameters and answers, without its matrix.

    The bias of a query at row h, column w towards a key at row h', column w' is
    ``q · R_h[h - h'] + q · R_w[w - w']`` (Li et al. 2022, arXiv:2112.01526). It is
    either added by the kernel, for a part of the queries at a time, or written as a
    scalar product: q is lengthened by its bias towards each row and each column, k by
    the row and the column that it stands in, as zeros and ones. The kernels of a CPU
    are faster at the first, but only the second has a fused gradient, and memory that
    does not grow with the square of the tokens.

    Parameters
    ----------
    plain : segment_anything.modeling.image_encoder.Attention
        Whose layers and parameters become this module's, under their own names.
    """

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.num_heads = plain.num_heads
        self.use_rel_pos = plain.use_rel_pos
        if plain.use_rel_pos:
            self.rel_pos_h, self.rel_pos_w = plain.rel_pos_h, plain.rel_pos_w
        self.qkv, self.proj = plain.qkv, plain.proj

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, H, W, E)`` from ``(B, H, W, E)``."""
        batch, height, width, _ = x.shape
        joint = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1)
        q, k, v = joint.permute(2, 0, 3, 1, 4).unbind(0)
        if not self.use_rel_pos:
            attended = functional.scaled_dot_product_attention(q, k, v)
        elif x.is_cuda or (torch.is_grad_enabled() and q.requires_grad):
            attended = _with_longer_tokens(q, k, v, *self._biases(q, height, width))
        else:
            attended = _with_added_bias(q, k, v, *self._biases(q, height, width))
        y: Tensor = self.proj(attended.transpose(1, 2).reshape(batch, height, width, -1))
        return y

    def _biases(self, q: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return each query's bias towards each row ``(B, A, Q, H)`` and column ``(B, A, Q, W)``.

        A is the number of heads, Q that of queries, which is ``H W``.
        """
        grid = q.unflatten(2, (height, width))
        rows = modeling.image_encoder.get_rel_pos(height, height, self.rel_pos_h)
        columns = modeling.image_encoder.get_rel_pos(width, width, self.rel_pos_w)
        return (
            torch.einsum("bahwc,hkc->bahwk", grid, rows).flatten(2, 3).to(q.dtype),
            torch.einsum("bahwc,wkc->bahwk", grid, columns).flatten(2, 3).to(q.dtype),
        )


def _with_added_bias(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the attended values ``(B, A, Q, D)``, the bias made for a part of the queries."""
    pairs = q.shape[0] * q.shape[1] * k.shape[2]
    at_once = max(_BIAS_BYTES // (pairs * q.element_size()), 1)
    parts = zip(*(tensor.split(at_once, dim=2) for tensor in (q, rows, columns)), strict=True)
    return torch.cat(
        [
            functional.scaled_dot_product_attention(
                queries, k, v, attn_mask=(row[..., :, None] + column[..., None, :]).flatten(3)
            )
            for queries, row, column in parts
        ],
        dim=2,
    )


def _with_longer_tokens(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the attended values ``(B, A, Q, D)``, the bias as a part of the tokens."""
    height, width, dim = rows.shape[-1], columns.shape[-1], q.shape[-1]
    row = torch.eye(height, dtype=k.dtype, device=k.device).repeat_interleave(width, dim=0)
    column = torch.eye(width, dtype=k.dtype, device=k.device).repeat(height, 1)
    place = torch.cat([row, column], dim=1).expand(*k.shape[:2], -1, -1)
    attended = functional.scaled_dot_product_attention(
        torch.cat([q * dim**-0.5, rows, columns], dim=-1),
        torch.cat([k, place], dim=-1),
        # Fused kernels ask for values as long as the keys.
        functional.pad(v, (0, height + width)),
        scale=1.0,
    )
    return attended[..., :dim]
