"""The training objective: every slot of a draft pass learns the stock model's own distribution.

For one sequence the frozen model runs once, which gives the K/V of every layer and the target
distribution at every position. Then draft rows are laid at many anchors at once: an anchor's
block is `[x_n, m_1 ... m_(g-1)]`, each row sees the base K/V before its anchor and its own block,
just as in decoding. The loss is the cross-entropy against the base distribution, for the bare
slot logits and, with half the weight, for those with the coherence term given the true parent.
Kin: BiTA (arXiv:2401.12522), PaSS (arXiv:2311.13581), "Your LLM Knows the Future" (arXiv:2507.11851).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from s3d_core.adapter import Adapter
from s3d_core.attention import additive_masks
from s3d_core.layer import as_tensor
from s3d_core.target import Target

COHERENCE_WEIGHT = 0.5
# Later slots count only when the earlier ones were accepted.
SLOT_WEIGHTS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3)
_VOCABULARY_CHUNK = 128


@dataclass
class Teacher:
    """What the frozen model says about one sequence.

    Attributes:
        ids: `[tokens]`.
        keys, values: per layer `[kv_heads, tokens, head_dim]`.
        hidden: `[tokens, hidden]` after the final norm; row t predicts token t+1.
    """

    ids: torch.Tensor
    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    hidden: torch.Tensor


@torch.no_grad()
def teach(target: Target, ids: torch.Tensor) -> Teacher:
    """Run the frozen model once over `ids` `[tokens]`."""
    n = ids.shape[0]
    positions = torch.arange(n, device=target.device)
    keys: list[torch.Tensor] = []
    values: list[torch.Tensor] = []
    causal = torch.ones(n, n, dtype=torch.bool, device=target.device).tril()
    masks = additive_masks(causal, positions, 0, target.windows, 1, target.activations)
    group = target.heads // target.kv_heads

    def attend(i, query, key, value):
        key, value = key.transpose(0, 1).contiguous(), value.transpose(0, 1).contiguous()
        keys.append(key)
        values.append(value)
        mask = masks[target.layers[i].window]
        wide_key, wide_value = (t[None].repeat_interleave(group, 1) for t in (key, value))
        out = F.scaled_dot_product_attention(query.transpose(0, 1)[None], wide_key, wide_value, attn_mask=mask)
        return out[0].transpose(0, 1).flatten(1)

    x = target.run(target.embed(ids), target.rope(positions, n - 1), range(target.depth), attend)
    return Teacher(ids, keys, values, target.normed(x))


def draft_rows(
    target: Target, adapter: Adapter, teacher: Teacher, anchors: torch.Tensor, kept: tuple[int, ...], slots: int
) -> torch.Tensor:
    """Final-normed draft rows `[anchors, slots, hidden]` for blocks at the given positions."""
    count, n = anchors.shape[0], teacher.ids.shape[0]
    first = target.embed(teacher.ids[anchors]).float()
    masks = adapter.masks[None, : slots - 1].expand(count, -1, -1)
    x = torch.cat([first[:, None], masks], dim=1).flatten(0, 1)
    offsets = torch.arange(slots, device=anchors.device)
    positions = (anchors[:, None] + offsets).flatten()
    block = torch.arange(count, device=anchors.device).repeat_interleave(slots)
    before = torch.arange(n, device=anchors.device)[None, :] < anchors[block][:, None]
    same = (block[:, None] == block[None, :]) & (positions[:, None] >= positions[None, :])
    seen = torch.cat([before, same], dim=1)
    slot_positions = torch.cat([torch.arange(n, device=anchors.device), positions])
    biases = {}
    for window in target.windows:
        allowed = seen if window is None else seen & (slot_positions[None] > positions[:, None] - window)
        biases[window] = torch.zeros(seen.shape, device=anchors.device).masked_fill_(~allowed, float("-inf"))
    group = target.heads // target.kv_heads

    def attend(i, query, key, value):
        keys = torch.cat([teacher.keys[i].float(), key.transpose(0, 1)], dim=1)
        values = torch.cat([teacher.values[i].float(), value.transpose(0, 1)], dim=1)
        keys, values = (t[None].repeat_interleave(group, 1) for t in (keys, values))
        bias = biases[target.layers[i].window]
        out = F.scaled_dot_product_attention(query.transpose(0, 1)[None], keys, values, attn_mask=bias)
        return out[0].transpose(0, 1).flatten(1)

    rope = target.rope(positions, int(anchors.max()) + slots - 1)
    x = target.run(x, rope, kept, attend, adapter.updates)
    return target.normed(x, adapter.norm).unflatten(0, (count, slots))


@dataclass
class Support:
    """The part of the vocabulary a step's loss is taken over.

    Most of a large vocabulary never occurs in a corpus, yet would take a third of the time. So the
    softmax runs over the tokens that occur and a fresh sample of the others, each of which stands
    for many: its logit gains the logarithm of how many.

    Attributes:
        head, embedding: `[tokens, hidden]` rows of the target's, float32.
        bias: `[tokens]` added to the logits.
    """

    head: torch.Tensor
    embedding: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, target: Target, seen: torch.Tensor, sampled: torch.Tensor) -> "Support":
        """From the ids that occur and a sample of those that do not."""
        ids = torch.cat([seen, sampled])
        bias = torch.zeros(len(ids), device=ids.device)
        if len(sampled):
            bias[len(seen) :] = math.log((target.head.shape[0] - len(seen)) / len(sampled))
        return cls(as_tensor(target.head)[ids].float(), target.embed(ids).float(), bias)


class _VocabularyLoss(torch.autograd.Function):
    """Cross-entropy of slot logits with and without the coherence term, chunk by chunk.

    The gradient of a softmax is known, so each chunk's gradients are taken on the spot and no
    chunk's logits outlive it.
    """

    @staticmethod
    def forward(ctx, rows, context, children, head, bias, targets, weights, coherent):
        """
        rows: `[n, hidden]` draft rows; context: `[n, rank]` the true parents' and the slots' side of the term;
        children: `[tokens, rank]`; targets: `[n, hidden]` the base model's final rows;
        weights, coherent: `[n]` weights of the bare and of the coherent loss.
        """
        grad_rows, grad_context = torch.empty_like(rows), torch.empty_like(context)
        grad_children = torch.zeros_like(children)
        total = rows.new_zeros(())
        for at in range(0, rows.shape[0], _VOCABULARY_CHUNK):
            part = slice(at, at + _VOCABULARY_CHUNK)
            wanted = F.linear(targets[part], head, bias).softmax(dim=-1)
            bare = F.linear(rows[part], head, bias)
            joint = torch.addmm(bare, context[part], children.t())
            w, c = weights[part, None], coherent[part, None]
            log_joint = joint.log_softmax(dim=-1)
            total -= ((wanted * log_joint).sum(-1, keepdim=True) * c).sum()
            grad_joint = log_joint.exp_().sub_(wanted).mul_(c)
            log_bare = bare.log_softmax(dim=-1)
            total -= ((wanted * log_bare).sum(-1, keepdim=True) * w).sum()
            grad_bare = log_bare.exp_().sub_(wanted).mul_(w).add_(grad_joint)
            grad_rows[part] = grad_bare @ head
            grad_context[part] = grad_joint @ children
            grad_children.addmm_(grad_joint.t(), context[part])
        ctx.save_for_backward(grad_rows, grad_context, grad_children)
        return total

    @staticmethod
    def backward(ctx, grad):
        rows, context, children = ctx.saved_tensors
        return rows * grad, context * grad, children * grad, None, None, None, None, None


def loss(
    target: Target,
    adapter: Adapter,
    teacher: Teacher,
    anchors: torch.Tensor,
    kept: tuple[int, ...],
    slots: int,
    support: Support,
) -> torch.Tensor:
    """Mean loss over the blocks at `anchors`; slots past the end of the sequence count nothing."""
    rows = draft_rows(target, adapter, teacher, anchors, kept, slots)
    at = anchors[:, None] + torch.arange(slots, device=anchors.device)
    inside = at < teacher.ids.shape[0] - 1
    at = at.clamp(max=teacher.ids.shape[0] - 1)
    # Row i of a block sits at n+i and guesses token n+i+1, whose true parent is token n+i.
    context = (target.embed(teacher.ids[at]).float() @ adapter.parent) * (1 + rows @ adapter.gate)
    children = support.embedding @ adapter.child
    weights = torch.tensor(SLOT_WEIGHTS[:slots], device=anchors.device) * inside / len(anchors)
    coherent = weights * COHERENCE_WEIGHT
    # The first slot sees its parent, so it needs no term.
    coherent = torch.cat([torch.zeros_like(coherent[:, :1]), coherent[:, 1:]], dim=1)
    return _VocabularyLoss.apply(
        rows.flatten(0, 1),
        context.flatten(0, 1),
        children,
        support.head,
        support.bias,
        teacher.hidden[at].float().flatten(0, 1),
        weights.flatten(),
        coherent.flatten(),
    )
