"""Candidate trees: built best-first from slot distributions, verified in one pass, walked once.

Nodes are numbered from 1, parents before their children; node 0 is the current token, the root.
A chain is a tree whose every node has one child. No two nodes have the same path.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch


@dataclass
class Tree:
    """Candidates behind the current token.

    Attributes:
        tokens: the nodes' token ids, root left out.
        parents: the node number of each node's parent (0 is the root).
        depths: from 1.
        scores: log-probability of each node's path, where the tree was built from such.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list, compare=False)

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

    def first(self, nodes: int) -> "Tree":
        """The tree of the first `nodes` nodes."""
        return Tree(self.tokens[:nodes], self.parents[:nodes], self.depths[:nodes], self.scores[:nodes])

    def children(self) -> dict[tuple[int, int], int]:
        """Every node by its parent and token."""
        return {(p, t): i for i, (p, t) in enumerate(zip(self.parents, self.tokens, strict=True), 1)}

    def visible(self) -> torch.Tensor:
        """Bool `[1 + nodes, 1 + nodes]`: each row sees itself and its ancestors, the root included."""
        seen = np.zeros((len(self) + 1, len(self) + 1), dtype=bool)
        seen[0, 0] = True
        for node, parent in enumerate(self.parents, 1):
            seen[node] = seen[parent]
            seen[node, node] = True
        return torch.from_numpy(seen)


def best_first(
    after: Callable[[tuple[int, ...]], list[tuple[float, int]]], size: int, depth: int, least: float = 0.0
) -> Tree:
    """The `size` most probable nodes of the tree of all paths.

    A path's probability is the product of its nodes' given their parents. A parent is never less
    probable than its child, so taking the best node next to the tree again and again finds them.
    A size of 1 stands for the one chain of each node's best child.

    Args:
        after: log-probability and token of what may follow a path, best first.
        size: nodes wanted; fewer come back where there are fewer.
        depth: longest path.
        least: nodes of a lower probability are left out, but never the first.
    """
    tree, floor = Tree(), math.log(least) if least else -math.inf
    if size == 1:
        path: tuple[int, ...] = ()
        scores: list[float] = []
        total = 0.0
        while len(path) < depth and (children := after(path)):
            total += children[0][0]
            if path and total < floor:
                break
            path = (*path, children[0][1])
            scores.append(total)
        chain = Tree.chain(list(path))
        chain.scores = scores
        return chain
    # A candidate: how improbable, the order of arrival, its siblings and its place among them, its parent's
    # node, score and path.
    heap: list[tuple] = []
    arrival = count()

    def push(children, place, parent, base, path):
        if place < len(children):
            score = base + children[place][0]
            heapq.heappush(heap, (-score, next(arrival), children, place, parent, base, path))

    push(after(()), 0, 0, 0.0, ())
    while heap and len(tree) < size:
        improbable, _, children, place, parent, base, path = heapq.heappop(heap)
        if tree and -improbable < floor:
            break
        token = children[place][1]
        node = tree.add(token, parent)
        tree.scores.append(-improbable)
        push(children, place + 1, parent, base, path)
        if len(path) + 1 < depth and len(tree) < size:
            below = (*path, token)
            push(after(below), 0, node, -improbable, below)
    return tree
