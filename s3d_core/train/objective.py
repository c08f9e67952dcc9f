"""The training objective: every slot of a draft pass learns the stock model's own distribution.

For one sequence the frozen model runs once, which gives the K/V of every layer and the target
distribution at every position. Then draft rows are laid at many anchors at once: an anchor's
block is `[x_n, m_1 ... m_(g-1)]`, each row sees the base K/V before its anchor and its own block,
just as in decoding. The loss is the cross-entropy against the base distribution, for the bare
slot logits over (nearly) all tokens and, with half the weight, for those with the coherence term,
given the true parent, over the slot's best tokens, among which it chooses.
Kin: BiTA (arXiv:2401.12522), PaSS (arXiv:2311.13581), "Your LLM Knows the Future" (arXiv:2507.11851).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from s3d_core.adapter import Adapter
from s3d_core.attention import additive_masks
from s3d_core.layer import as_tensor
from s3d_core.target import Target
from s3d_core.train.block_attention import BlockAttention

COHERENCE_WEIGHT = 0.5
# Later slots count only when the earlier ones were accepted.
SLOT_WEIGHTS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.3, 0.3)
_VOCABULARY_CHUNK = 128
# As many of each slot's best tokens as a draft tree is built from.
_CANDIDATES = 16


# What joins a slot to its parent: (adapter, draft rows `[..., hidden]`, embeddings of parents `[..., parents, hidden]`
# and of children `[..., k, hidden]`, what gathers the output head's rows of the children) to `[..., parents, k]`, which
# is added to the children's logits.
Term = Callable[[Adapter, torch.Tensor, torch.Tensor, torch.Tensor, Callable[[], torch.Tensor]], torch.Tensor]


def coherence(
    adapter: Adapter,
    rows: torch.Tensor,
    parents: torch.Tensor,
    children: torch.Tensor,
    heads: Callable[[], torch.Tensor],
) -> torch.Tensor:
    """The `Term` that adapters hold (see `s3d_core.coherence`)."""
    context = (parents @ adapter.parent) * (1 + rows @ adapter.gate)[..., None, :]
    return context @ (children @ adapter.child).transpose(-1, -2)


@dataclass
class Teacher:
    """What the frozen model says about one sequence.

    Attributes:
        ids: `[tokens]`.
        keys, values: by layer `[kv_heads, tokens, head_dim]`.
        hidden: `[tokens, hidden]` after the final norm; row t predicts token t+1.
    """

    ids: torch.Tensor
    keys: dict[int, torch.Tensor]
    values: dict[int, torch.Tensor]
    hidden: torch.Tensor

    @property
    def bytes(self) -> int:
        """Memory, in bytes."""
        tensors = (self.ids, self.hidden, *self.keys.values(), *self.values.values())
        return sum(t.numel() * t.element_size() for t in tensors)

    def kept(self, layers: Iterable[int]) -> "Teacher":
        """The same with the K/V of some layers only, in two bytes a number."""

        def narrow(tensors: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
            return {i: tensors[i].bfloat16() if tensors[i].dtype == torch.float32 else tensors[i] for i in layers}

        return Teacher(self.ids, narrow(self.keys), narrow(self.values), self.hidden)


@torch.no_grad()
def teach(target: Target, ids: torch.Tensor) -> Teacher:
    """Run the frozen model once over `ids` `[tokens]`."""
    n = ids.shape[0]
    positions = torch.arange(n, device=target.device)
    keys: dict[int, torch.Tensor] = {}
    values: dict[int, torch.Tensor] = {}
    causal = torch.ones(n, n, dtype=torch.bool, device=target.device).tril()
    masks = additive_masks(causal, positions, 0, target.windows, 1, target.activations)
    group = target.heads // target.kv_heads

    def attend(i, query, key, value):
        key, value = key.transpose(0, 1).contiguous(), value.transpose(0, 1).contiguous()
        keys[i], values[i] = key, value
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
    positions = anchors[:, None] + torch.arange(slots, device=anchors.device)
    before = torch.arange(n, device=anchors.device)
    hidden = {}
    for window in target.windows:
        hidden[window] = before >= anchors[:, None, None]
        if window is not None:
            hidden[window] = hidden[window] | (before <= positions[..., None] - window)

    def attend(i, query, key, value):
        blocks = (t.unflatten(0, (count, slots)) for t in (query, key, value))
        past = (teacher.keys[i].float(), teacher.values[i].float())
        return BlockAttention.apply(*blocks, *past, hidden[target.layers[i].window]).flatten(0, 1)

    rope = target.rope(positions.flatten(), int(anchors.max()) + slots - 1)
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
    """Cross-entropy of slot logits over a support, chunk by chunk.

    The gradient of a softmax is known, so each chunk's is taken on the spot and no chunk's logits
    outlive it.
    """

    @staticmethod
    def forward(ctx, rows, head, bias, targets, weights):
        """
        rows: `[n, hidden]` draft rows; targets: `[n, hidden]` the base model's final rows; weights: `[n]`.

        Returns the loss, and of each row its best candidates' places in the support, their logits, and
        the base model's logits of them, each `[n, k]` and without a gradient.
        """
        grad_rows = torch.empty_like(rows)
        total = rows.new_zeros(())
        best = []
        for at in range(0, rows.shape[0], _VOCABULARY_CHUNK):
            part = slice(at, at + _VOCABULARY_CHUNK)
            wanted = F.linear(targets[part], head, bias)
            bare = F.linear(rows[part], head, bias)
            logits, places = bare.topk(min(_CANDIDATES, bare.shape[1]), dim=-1)
            best.append((places, logits - bias[places], wanted.gather(1, places) - bias[places]))
            wanted = wanted.softmax(dim=-1)
            w = weights[part, None]
            log_bare = bare.log_softmax(dim=-1)
            total -= ((wanted * log_bare).sum(-1, keepdim=True) * w).sum()
            grad_rows[part] = log_bare.exp_().sub_(wanted).mul_(w) @ head
        ctx.save_for_backward(grad_rows)
        places, logits, wanted = (torch.cat(parts) for parts in zip(*best, strict=True))
        ctx.mark_non_differentiable(places, logits, wanted)
        return total, places, logits, wanted

    @staticmethod
    def backward(ctx, grad, *_):
        return ctx.saved_tensors[0] * grad, None, None, None, None


def loss(
    target: Target,
    adapter: Adapter,
    teacher: Teacher,
    anchors: torch.Tensor,
    kept: tuple[int, ...],
    slots: int,
    support: Support,
    slot_weights: Sequence[float] = SLOT_WEIGHTS,
    term: Term = coherence,
) -> torch.Tensor:
    """Mean loss over the blocks at `anchors`; slots past the end of the sequence count nothing."""
    rows = draft_rows(target, adapter, teacher, anchors, kept, slots)
    at = anchors[:, None] + torch.arange(slots, device=anchors.device)
    inside = at < teacher.ids.shape[0] - 1
    at = at.clamp(max=teacher.ids.shape[0] - 1)
    weights = torch.tensor(slot_weights[:slots], device=anchors.device) * inside / len(anchors)
    bare, places, logits, wanted = _VocabularyLoss.apply(
        rows.flatten(0, 1),
        support.head,
        support.bias,
        teacher.hidden[at].float().flatten(0, 1),
        weights.flatten(),
    )
    # Row i of a block sits at n+i and guesses token n+i+1, whose true parent is token n+i. The first
    # slot sees its parent, so it needs no term; and the rows are not bent for the term's sake.
    later = rows.detach()[:, 1:]
    parents = target.embed(teacher.ids[at[:, 1:]]).float()[..., None, :]
    places, logits, wanted = (t.unflatten(0, at.shape)[:, 1:] for t in (places, logits, wanted))
    added = term(adapter, later, parents, support.embedding[places], lambda: support.head[places])
    joint = logits + added.squeeze(-2)
    coherent = -(wanted.softmax(-1) * joint.log_softmax(-1)).sum(-1)
    return bare + COHERENCE_WEIGHT * (coherent * weights[:, 1:]).sum()
