"""Candidate trees: built best-first from slot distributions, verified in one pass, walked once.

Nodes are numbered from 1, parents before their children; node 0 is the current token, the root.
A chain is a tree whose every node has one child. No two nodes have the same path.
"""

import heapq
import math
from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass
class Tree:
    """Candidates behind the current token.

    Attributes:
        tokens: the nodes' token ids, root left out.
        parents: the node number of each node's parent (0 is the root).
        depths: from 1.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def depth(self) -> int:
        """The largest depth; 0 for an empty tree."""
        return max(self.depths, default=0)

    @classmethod
    def chain(cls, ids: list[int]) -> "Tree":
        """One path of given tokens; empty for plain decoding."""
        return cls(list(ids), list(range(len(ids))), list(range(1, len(ids) + 1)))

    def add(self, token: int, parent: int) -> int:
        """Add a node and return its number."""
        self.tokens.append(token)
        self.parents.append(parent)
        self.depths.append(1 if parent == 0 else self.depths[parent - 1] + 1)
        return len(self.tokens)

    def children(self) -> dict[tuple[int, int], int]:
        """Every node by its parent and token."""
        return {(p, t): i for i, (p, t) in enumerate(zip(self.parents, self.tokens, strict=True), 1)}

    def add_path(self, ids: list[int]) -> None:
        """Add a path from the root; what of it is there already is shared."""
        known, node = self.children(), 0
        for token in ids:
            node = known.get((node, token)) or self.add(token, node)

    def with_path(self, ids: list[int], size: int) -> "Tree":
        """A path of at most `size` tokens and as many of this tree's first nodes as go with it into `size`."""
        for kept in range(len(self), -1, -1):
            tree = Tree(self.tokens[:kept], self.parents[:kept], self.depths[:kept])
            tree.add_path(ids)
            if len(tree) <= size:
                return tree
        return Tree.chain(ids[:size])

    def visible(self) -> torch.Tensor:
        """Bool `[1 + nodes, 1 + nodes]`: each row sees itself and its ancestors, the root included."""
        seen = np.zeros((len(self) + 1, len(self) + 1), dtype=bool)
        seen[0, 0] = True
        for node, parent in enumerate(self.parents, 1):
            seen[node] = seen[parent]
            seen[node, node] = True
        return torch.from_numpy(seen)


def best_first(logits: np.ndarray, tokens: np.ndarray, pairs: np.ndarray | None, size: int, least: float = 0.0) -> Tree:
    """The `size` most probable nodes of the tree whose levels are the slots.

    A path's probability is the product of its nodes' given their parents. A parent is never less
    probable than its child, so taking the best node next to the tree again and again finds them.
    A size of 1 stands for the one most probable chain.

    Args:
        logits: `[slots, k]` of each slot's top-k tokens, best first.
        tokens: `[slots, k]` their ids.
        pairs: `[slots - 1, k, k]` coherence of (parent choice in slot i, child choice in slot i+1),
            added to the child's logit; None leaves the slots independent.
        size: nodes wanted; fewer come back where the slots hold fewer.
        least: nodes of a lower probability are left out, but never the first.
    """
    slots, k = logits.shape
    ids = tokens.tolist()
    # For each slot and each choice in the slot before: the choices, best first, and their log-probabilities.
    joint = np.broadcast_to(logits[1:, None, :], (slots - 1, k, k))
    joint = joint if pairs is None else joint + pairs
    ranks = np.argsort(-joint, axis=-1, kind="stable")
    orders, scores = ranks.tolist(), _log_softmax(np.take_along_axis(joint, ranks, axis=-1)).tolist()
    orders.insert(0, [list(range(k))])
    scores.insert(0, [_log_softmax(logits[0]).tolist()])
    tree, floor = Tree(), math.log(least) if least else -math.inf
    if size == 1:
        choice, total = 0, 0.0
        for slot in range(slots):
            total += scores[slot][choice][0]
            if slot and total < floor:
                break
            choice = orders[slot][choice][0]
            tree.add(ids[slot][choice], slot)
        return tree
    # A candidate: how improbable, the order of arrival, slot, parent's choice, rank, parent's node and score.
    heap = [(-scores[0][0][0], 0, 0, 0, 0, 0, 0.0)]
    arrivals = 1
    while heap and len(tree) < size:
        negative, _, slot, before, rank, parent, base = heapq.heappop(heap)
        if tree and -negative < floor:
            break
        choice = orders[slot][before][rank]
        node = tree.add(ids[slot][choice], parent)
        if rank + 1 < k:
            score = base + scores[slot][before][rank + 1]
            heapq.heappush(heap, (-score, arrivals, slot, before, rank + 1, parent, base))
        if slot + 1 < slots:
            score = -negative + scores[slot + 1][choice][0]
            heapq.heappush(heap, (-score, arrivals + 1, slot + 1, choice, 0, node, -negative))
        arrivals += 2
    return tree


def _log_softmax(ranked: np.ndarray) -> np.ndarray:
    """Over the last axis, whose first value is its largest."""
    ranked = ranked - ranked[..., :1]
    return ranked - np.log(np.exp(ranked).sum(axis=-1, keepdims=True))
