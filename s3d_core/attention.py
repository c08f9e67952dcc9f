"""Attention for a few rows: masks over cache and tree, rotary embedding, grouped queries folded into rows."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

Masks = dict[int | None, torch.Tensor | None]


def additive_masks(
    visible: torch.Tensor,
    positions: torch.Tensor,
    start: int,
    windows: Sequence[int | None],
    group: int,
    dtype: torch.dtype,
) -> Masks:
    """Additive masks `[group * rows, start + rows]`, one per window size; None where every slot is visible.

    Args:
        visible: bool `[rows, rows]`, which rows of the pass each row may see.
        positions: `[rows]`.
        start: committed slots before the pass; each row sees all of them, but for its window.
        windows: sliding windows in the model; None is none.
        group: query heads per key head; they are folded into rows.
    """
    rows, device = visible.shape[0], visible.device
    masks: Masks = {}
    for window in windows:
        reach = start + rows if window is None else window
        narrow = start + rows > reach
        if rows == 1 and not narrow:
            masks[window] = None
            continue
        seen = torch.ones(rows, start + rows, dtype=torch.bool, device=device)
        seen[:, start:] = visible
        if narrow:
            slots = torch.cat([torch.arange(start, device=device), positions])
            seen &= slots[None, :] > positions[:, None] - reach
        mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, torch.finfo(dtype).min)
        masks[window] = mask.repeat(group, 1)
    return masks


def fold_attention(query, keys, values, mask) -> torch.Tensor:
    """Grouped-query attention with each group's query heads folded into rows, so K/V are read once.

    Args:
        query: `[rows, heads, head_dim]`.
        keys, values: `[kv_heads, slots, head_dim]`.
        mask: additive `[heads // kv_heads * rows, slots]`, or None.

    Returns:
        `[rows, heads * head_dim]`.
    """
    rows, heads, dim = query.shape
    kv_heads = keys.shape[0]
    folded = query.transpose(0, 1).reshape(1, kv_heads, -1, dim)
    out = F.scaled_dot_product_attention(folded, keys[None], values[None], attn_mask=mask)
    return out.view(heads, rows, dim).transpose(0, 1).reshape(rows, heads * dim)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turn heads `[rows, heads, head_dim]` by `[rows, 1, rotary_dim]`; what lies behind the rotary part stays."""
    half = cos.shape[-1] // 2
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    cos, sin = cos[..., :half], sin[..., :half]
    parts = [first * cos - second * sin, second * cos + first * sin]
    if rest.shape[-1]:
        parts.append(rest)
    return torch.cat(parts, dim=-1)
