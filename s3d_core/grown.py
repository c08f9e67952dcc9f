"""Candidate trees that grow on a device: the same nodes as `candidates` and `tree.best_first` find on the host.

A parent is never less probable than its child, so the best nodes of the whole tree are among the best
of their depth, whose parents are among the best of the depth before: level by level, with nothing of a size
that depends on the values, so that it can be recorded.
"""

from dataclasses import dataclass

import numpy as np
import torch

from s3d_core.candidates import EXTRA, HEAT, NOISE, OTHER, PAIRS, RECALLED, SCALE
from s3d_core.device_noise import gumbel
from s3d_core.recall import LONGEST
from s3d_core.recall_table import RecallTable
from s3d_core.tree import Tree

_NEVER = float("-inf")


@dataclass
class Grown:
    """A tree on a device, of a fixed number of nodes, the most probable first; those that are none come last.

    Attributes:
        tokens, parents, depths: `[nodes]` int64; parents count from 1, 0 is the current token.
        scores: `[nodes]` float64, log-probability of each node's path; -inf for what is no node.
        visible: bool `[1 + nodes, 1 + nodes]`, as `Tree.visible`; what is no node sees itself at least.
        length: the largest depth there can be.
    """

    tokens: torch.Tensor
    parents: torch.Tensor
    depths: torch.Tensor
    scores: torch.Tensor
    visible: torch.Tensor
    length: int

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @classmethod
    def chain(cls, tokens: torch.Tensor) -> "Grown":
        """One path of given tokens `[nodes]`."""
        count = tokens.shape[0]
        places = torch.arange(count, device=tokens.device)
        visible = torch.ones(count + 1, count + 1, dtype=torch.bool, device=tokens.device).tril()
        return cls(tokens, places, places + 1, torch.zeros_like(places, dtype=torch.float64), visible, count)

    def packed(self) -> torch.Tensor:
        """All but the depths in one tensor `[3, nodes]` for the way to the host, scores by their bits."""
        return torch.stack([self.tokens, self.parents, self.scores.view(torch.int64)])


def unpacked(packed: np.ndarray) -> Tree:
    """The tree on the host from what `Grown.packed` became there."""
    scores = packed[2].view(np.float64)
    tree = Tree()
    for token, parent in packed[:2, : int(np.isfinite(scores).sum())].T.tolist():
        tree.add(token, parent)
    tree.scores = scores[: len(tree)].tolist()
    return tree


def grow(
    logits: torch.Tensor,
    tokens: torch.Tensor,
    pairs: torch.Tensor | None,
    table: RecallTable,
    context: torch.Tensor,
    weights: torch.Tensor,
    size: int,
    length: int,
    floor: torch.Tensor,
    keys: torch.Tensor | None = None,
    temperature: torch.Tensor | None = None,
) -> Grown:
    """The best nodes, as `best_first` over `Candidates.after` takes them.

    Args:
        logits, tokens: `[slots, k]` of each slot's best tokens, float32 and int64.
        pairs: `[slots - 1, k, k]`, see `Candidates`; None for one slot.
        context: `[LONGEST]`, the text's last tokens, the current one last.
        weights: `[slots + 1, EVIDENCE]` float32, the row of the depths behind the slots last.
        size: nodes; 1 stands for one chain of `length` nodes.
        floor: float64, log-probability below which nodes are left out, but never the first.
        keys: `[length]` int64 of the noise by depth, with its temperature; None when greedy.
    """
    device, slots = logits.device, logits.shape[0]
    contexts, scores, choices = context[None], torch.zeros(1, dtype=torch.float64, device=device), None
    nodes = torch.full((1,), -1, device=device)
    levels = []
    count = 0
    for depth in range(length):
        inside = depth < slots
        own = tokens[depth] if inside else tokens.new_zeros(0)
        beside = logits.new_zeros(contexts.shape[0], own.shape[0])
        if inside and depth and pairs is not None and choices is not None:
            # The row behind the last is for paths whose token is none of its slot.
            rows = torch.cat([pairs[depth - 1], pairs.new_zeros(1, own.shape[0])])
            beside = rows[choices.clamp(max=own.shape[0])]
        key = None if keys is None else keys[depth]
        row = weights[depth if inside else -1]
        likely, named = _after(logits[depth] if inside else None, own, beside, table, contexts, row, key, temperature)
        total = (scores[:, None] + likely.double()).flatten()
        best, order = total.sort(descending=True, stable=True)
        best, order = best[:size], order[:size]
        parents, places = order // named.shape[1], order % named.shape[1]
        found = named.flatten()[order]
        levels.append((found, nodes[parents], best, torch.full_like(order, depth + 1)))
        contexts = torch.cat([contexts[parents, 1:], found[:, None]], dim=1)
        scores, choices = best, places
        nodes = count + torch.arange(order.shape[0], device=device)
        count += order.shape[0]
    found, parents, scores, depths = map(torch.cat, zip(*levels, strict=True))
    # Parents come first where a child is as probable: they are of the level before.
    scores, order = scores.sort(descending=True, stable=True)
    ranks = torch.zeros(count + 1, dtype=torch.int64, device=device)
    ranks[:count] = ranks[:count].scatter(0, order, torch.arange(1, count + 1, device=device))
    parents = ranks[parents[order]]  # -1 stands for the root, and the last rank is 0
    wanted = min(count, length if size == 1 else size)
    scores = scores[:wanted]
    first = torch.arange(wanted, device=device) == 0
    scores = scores.masked_fill((scores < floor) & ~first, _NEVER)
    parents = parents[:wanted].masked_fill(scores == _NEVER, 0)
    # A row sees what its parent sees, and itself.
    above = torch.cat([parents.new_zeros(1), parents])
    visible = own_rows = torch.eye(wanted + 1, dtype=torch.bool, device=device)
    for _ in range(length):
        visible = visible[above] | own_rows
    return Grown(found[order][:wanted], parents, depths[order][:wanted], scores, visible, length)


def _after(logits, own, beside, table, contexts, weights, key, temperature):
    """Log-probability `[paths, k + 2]` and token of what may follow each path, see `Candidates.after`.

    Behind the slot's own tokens `[k]` come one that was said and one that was meant; -inf where there is none.
    """
    paths = contexts.shape[0]
    known, recalled, kinds = table.after(contexts)
    worth = weights[RECALLED : RECALLED + 2 * LONGEST].view(2, LONGEST).gather(1, kinds)
    said, meant = (known[i][:, None] & (own == recalled[i][:, None]) for i in range(2))
    same = known[0] & known[1] & (recalled[0] == recalled[1])
    scores = beside * weights[PAIRS] + said * worth[0][:, None] + meant * worth[1][:, None]
    # What the slot says of tokens below its best: no more than this.
    below = torch.zeros((), device=contexts.device) if logits is None else (logits[-1] - 1) * weights[SCALE]
    other = weights[OTHER] + below
    extras = (weights[EXTRA] + below + worth).T  # [paths, 2]
    extras = extras + torch.stack([same * worth[1], torch.zeros_like(worth[1])], dim=1)
    if logits is not None:
        scores = scores + logits * weights[SCALE]
    if key is not None:
        scores = scores + weights[NOISE] * (temperature * gumbel(key, own)).float()
        extras = extras + weights[NOISE] * (temperature * gumbel(key, recalled.T)).float()
        other = other + weights[HEAT] * temperature.float()
    absent = ~torch.stack([known[0] & ~said.any(1), known[1] & ~meant.any(1) & ~same], dim=1)
    scores = torch.cat([scores, extras.masked_fill(absent, _NEVER)], dim=1)
    whole = torch.cat([scores, other.expand(paths, 1)], dim=1).logsumexp(1, keepdim=True)
    return scores - whole, torch.cat([own.expand(paths, -1), recalled.T], dim=1)
