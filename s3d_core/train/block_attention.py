"""Attention of many small blocks to one shared past: each row sees the past before its block's anchor and
its own block up to itself.

The past is the frozen model's and gets no gradient. As in FlashAttention (arXiv:2205.14135), the
backward pass makes the probabilities anew from their normaliser, so no layer's outlive it, and no
row is ever multiplied with another block's.
"""

import torch


def _scores(query, key, past_key, hidden):
    """Over past and block, float32 `[kv heads, blocks, rows * group, past + rows]`; query is scaled already.

    query: `[kv heads, blocks, rows * group, dim]`; key: `[kv heads, blocks, rows, dim]`.
    """
    heads, blocks, folded, _ = query.shape
    rows, past = key.shape[2], past_key.shape[1]
    scores = query.new_empty(heads, blocks, folded, past + rows)
    scores[..., :past] = (query.flatten(1, 2) @ past_key.transpose(1, 2)).view(heads, blocks, folded, past)
    scores[..., past:] = query @ key.transpose(2, 3)
    by_row = scores.unflatten(2, (rows, -1))
    by_row[..., :past].masked_fill_(hidden[None, :, :, None], float("-inf"))
    later = torch.ones(rows, rows, dtype=torch.bool, device=query.device).triu(1)
    by_row[..., past:].masked_fill_(later[:, None], float("-inf"))
    return scores


class BlockAttention(torch.autograd.Function):
    """`apply(query, key, value, past_key, past_value, hidden)`, see the module.

    Args:
        query: `[blocks, rows, heads, dim]`; key, value: `[blocks, rows, kv heads, dim]`.
        past_key, past_value: `[kv heads, past, dim]`.
        hidden: bool `[blocks, 1 or rows, past]`, what of the past a block or row does not see.

    Returns:
        `[blocks, rows, heads * dim]`.
    """

    @staticmethod
    def forward(ctx, query, key, value, past_key, past_value, hidden):
        blocks, rows, heads, dim = query.shape
        kv_heads, past = past_key.shape[:2]
        folded = query.unflatten(2, (kv_heads, -1)).permute(2, 0, 1, 3, 4).flatten(2, 3) * dim**-0.5
        key, value = key.permute(2, 0, 1, 3).contiguous(), value.permute(2, 0, 1, 3).contiguous()
        scores = _scores(folded, key, past_key, hidden)
        normaliser = scores.logsumexp(dim=-1, keepdim=True)
        shares = scores.sub_(normaliser).exp_()
        out = (shares[..., :past].flatten(1, 2) @ past_value).view(folded.shape)
        out += shares[..., past:] @ value
        ctx.save_for_backward(folded, key, value, past_key, past_value, hidden, normaliser, out)
        return out.unflatten(2, (rows, -1)).permute(1, 2, 0, 3, 4).reshape(blocks, rows, heads * dim)

    @staticmethod
    def backward(ctx, grad):
        query, key, value, past_key, past_value, hidden, normaliser, out = ctx.saved_tensors
        kv_heads, blocks, _, dim = query.shape
        rows, past = key.shape[2], past_key.shape[1]
        grad = grad.view(blocks, rows, kv_heads, -1, dim).permute(2, 0, 1, 3, 4).flatten(2, 3)
        shares = _scores(query, key, past_key, hidden).sub_(normaliser).exp_()
        grad_value = shares[..., past:].transpose(2, 3) @ grad
        inner = torch.empty_like(shares)
        inner[..., :past] = (grad.flatten(1, 2) @ past_value.transpose(1, 2)).view(*shares.shape[:3], past)
        inner[..., past:] = grad @ value.transpose(2, 3)
        inner.sub_((grad * out).sum(-1, keepdim=True)).mul_(shares)
        grad_query = (inner[..., :past].flatten(1, 2) @ past_key).view(query.shape)
        grad_query += inner[..., past:] @ key
        grad_key = inner[..., past:].transpose(2, 3) @ query
        grad_query = (grad_query * dim**-0.5).unflatten(2, (rows, -1)).permute(1, 2, 0, 3, 4).flatten(2, 3)
        return grad_query, grad_key.permute(1, 2, 0, 3), grad_value.permute(1, 2, 0, 3), None, None, None
