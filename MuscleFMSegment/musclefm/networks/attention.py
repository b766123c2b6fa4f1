"""SAM's attention with relative positions, by torch's fused kernels."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musclefm.networks.segment_anything import modeling

# Of the bias between pairs of tokens, which is held for a part of them at a time, for each
# thread: little enough for a processor's cache, and as many queries as its kernel likes best.
_BIAS_BYTES = 16 * 2**20
_QUERIES = 1024
# Rows and columns of tokens up to which the bias is made faster by a product with zeros and ones,
# which is as exact, than by a sum.
_SHORT = 64


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
    window : int
        Edge of the windows that tokens attend within; 0 for the whole image. Where windows
        reach beyond the image, segment-anything fills it up with zeros that are attended to;
        here these have their constant keys and values, and are not computed.
    """

    def __init__(self, plain: Any, window: int = 0) -> None:
        super().__init__()
        self.window = window
        self.num_heads = plain.num_heads
        self.use_rel_pos = plain.use_rel_pos
        if plain.use_rel_pos:
            self.rel_pos_h, self.rel_pos_w = plain.rel_pos_h, plain.rel_pos_w
        self.qkv, self.proj = plain.qkv, plain.proj

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, H, W, E)`` from ``(B, H, W, E)``."""
        joint = self.qkv(x)
        y: Tensor = self.proj(self._in_windows(joint) if self.window else self._attended(joint))
        return y

    def _in_windows(self, joint: Tensor) -> Tensor:
        """Return as :meth:`_attended`, each token attending within its window."""
        batch, height, width, channels = joint.shape
        beyond = -height % self.window, -width % self.window
        if any(beyond):
            nothing = self.qkv(joint.new_zeros(channels // 3))
            filled = nothing.repeat(batch, height + beyond[0], width + beyond[1], 1)
            filled[:, :height, :width] = joint
            joint = filled
        windows, full = modeling.image_encoder.window_partition(joint, self.window)
        attended: Tensor = modeling.image_encoder.window_unpartition(
            self._attended(windows), self.window, full, (height, width)
        )
        return attended

    def _attended(self, joint: Tensor) -> Tensor:
        """Return the attended values ``(B, H, W, E)`` from q, k and v ``(B, H, W, 3 E)``."""
        batch, height, width, _ = joint.shape
        joint = joint.reshape(batch, height * width, 3, self.num_heads, -1)
        q, k, v = joint.permute(2, 0, 3, 1, 4).unbind(0)
        if not self.use_rel_pos:
            attended = functional.scaled_dot_product_attention(q, k, v)
        elif q.is_cuda or (torch.is_grad_enabled() and q.requires_grad):
            attended = _with_longer_tokens(q, k, v, *self._biases(q, height, width))
        else:
            attended = _with_added_bias(q, k, v, *self._biases(q, height, width))
        return attended.transpose(1, 2).reshape(batch, height, width, -1)

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
    """Return the attended values ``(B, A, Q, D)``, the bias made for a part of the pairs."""
    most = _BIAS_BYTES * torch.get_num_threads() // (k.shape[2] * q.element_size())
    queries = max(min(most, _QUERIES), 1)
    heads = max(most // min(queries, q.shape[2]), 1)
    images = max(heads // q.shape[1], 1)
    attended = v.new_empty(q.shape[0], q.shape[2], q.shape[1], q.shape[3]).transpose(1, 2)
    parts = product(
        *(
            [slice(first, first + step) for first in range(0, count, step)]
            for count, step in zip(q.shape, (images, heads, queries), strict=False)
        )
    )
    place = _places(k, rows.shape[-1], columns.shape[-1])
    for image, head, query in parts:
        one = (image, head, query)
        if place.shape[1] <= _SHORT:
            bias = torch.cat([rows[one], columns[one]], dim=-1) @ place.mT
        else:
            bias = (rows[one][..., :, None] + columns[one][..., None, :]).flatten(3)
        attended[one] = functional.scaled_dot_product_attention(
            q[one],
            k[image, head],
            v[image, head],
            attn_mask=bias,
        )
    return attended


def _places(k: Tensor, height: int, width: int) -> Tensor:
    """Return the row and the column of each key as zeros and ones ``(K, H + W)``."""
    row = torch.eye(height, dtype=k.dtype, device=k.device).repeat_interleave(width, dim=0)
    column = torch.eye(width, dtype=k.dtype, device=k.device).repeat(height, 1)
    return torch.cat([row, column], dim=1)


def _with_longer_tokens(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the attended values ``(B, A, Q, D)``, the bias as a part of the tokens."""
    height, width, dim = rows.shape[-1], columns.shape[-1], q.shape[-1]
    place = _places(k, height, width).expand(*k.shape[:2], -1, -1)
    attended = functional.scaled_dot_product_attention(
        torch.cat([q * dim**-0.5, rows, columns], dim=-1),
        torch.cat([k, place], dim=-1),
        # Fused kernels ask for values as long as the keys.
        functional.pad(v, (0, height + width)),
        scale=1.0,
    )
    return attended[..., :dim]
