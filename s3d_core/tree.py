"""Candidate trees: built best-first from slot distributions, verified in one pass, walked once.

Nodes are numbered from 1, parents before their children; node 0 is the current token, the root.
A chain is a tree whose every node has one child. Everything is done for all nodes at once on the
model's device, so no device is asked for a value before the verify pass.
"""

from dataclasses import dataclass

import torch


@dataclass
class Tree:
    """Candidates behind the current token.

    Attributes:
        tokens: `[nodes]` int64 token ids, root left out.
        parents: `[nodes]` int64, the node number of each node's parent (0 is the root).
        depths: `[nodes]` int64, from 1.
        depth: the largest depth, a host number.
    """

    tokens: torch.Tensor
    parents: torch.Tensor
    depths: torch.Tensor
    depth: int

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @classmethod
    def chain(cls, ids: list[int], device: torch.device) -> "Tree":
        """One path of given tokens; empty for plain decoding."""
        count = len(ids)
        steps = torch.arange(count, device=device)
        return cls(torch.tensor(ids, dtype=torch.int64, device=device), steps, steps + 1, count)

    def with_chain(self, ids: list[int]) -> "Tree":
        """This tree with one more path from the root.

        A path may repeat nodes that are there already; the walk follows all of them, and so no
        device has to be asked which they are.
        """
        if not ids:
            return self
        chain, count = Tree.chain(ids, self.tokens.device), len(self)
        # The chain's first node hangs on the root, the others on their neighbour.
        parents = torch.where(chain.parents > 0, chain.parents + count, 0)
        return Tree(
            torch.cat([self.tokens, chain.tokens]),
            torch.cat([self.parents, parents]),
            torch.cat([self.depths, chain.depths]),
            max(self.depth, chain.depth),
        )

    def visible(self) -> torch.Tensor:
        """Bool `[1 + nodes, 1 + nodes]`: each row sees itself and its ancestors, the root included."""
        rows = len(self) + 1
        device = self.tokens.device
        up = torch.cat([torch.zeros(1, dtype=torch.int64, device=device), self.parents])
        seen = torch.eye(rows, dtype=torch.bool, device=device)
        here = torch.arange(rows, device=device)
        for _ in range(self.depth):
            here = up[here]
            seen[torch.arange(rows, device=device), here] = True
        return seen


def best_first(log_slots: torch.Tensor, tokens: torch.Tensor, pairs: torch.Tensor | None, size: int) -> Tree:
    """The `size` most probable nodes of the tree whose levels are the slots.

    A path's probability is the product of its nodes' given their parents. A parent is never less
    probable than its child, so the best nodes hold all their ancestors; a beam as wide as the tree
    finds them exactly.

    Args:
        log_slots: `[slots, k]` logits of each slot's top-k tokens, best first.
        tokens: `[slots, k]` their ids.
        pairs: `[slots - 1, k, k]` coherence of (parent choice in slot i, child choice in slot i+1),
            added to the child's logit; None leaves the slots independent.
        size: nodes wanted; fewer come back where the slots hold fewer.
    """
    slots, k = log_slots.shape
    device = log_slots.device
    if size == 1:
        return _best_chain(log_slots, tokens, pairs)
    scores = log_slots[0].log_softmax(dim=-1)[: min(size, k)]
    choice = torch.arange(scores.shape[0], device=device)
    parent = torch.zeros_like(choice)
    level_scores, level_tokens, level_parents = [scores], [tokens[0, choice]], [parent]
    begin = [0]
    for slot in range(1, slots):
        # Each beam entry's children: the slot's top-k, reweighted by how well they follow the parent.
        logits = log_slots[slot][None].expand(len(choice), -1)
        if pairs is not None:
            logits = logits + pairs[slot - 1][choice]
        joint = (level_scores[-1][:, None] + logits.log_softmax(dim=-1)).flatten()
        scores, flat = joint.topk(min(size, joint.shape[0]))
        parent, choice = flat // k, flat % k
        begin.append(begin[-1] + len(level_scores[-1]))
        level_scores.append(scores)
        level_tokens.append(tokens[slot, choice])
        level_parents.append(parent)
    all_scores = torch.cat(level_scores)
    # Ties must not separate a child from its parent: the stable sort puts lower levels first.
    order = all_scores.sort(descending=True, stable=True).indices[:size]
    wanted = order.sort().values
    number = torch.zeros(all_scores.shape[0], dtype=torch.int64, device=device)
    number[wanted] = torch.arange(1, len(wanted) + 1, device=device)
    global_parents = [torch.zeros_like(level_parents[0]) - 1]
    global_parents += [p + begin[i] for i, p in enumerate(level_parents[1:])]
    up = torch.cat(global_parents)[wanted]
    parents = torch.where(up < 0, 0, number[up.clamp(min=0)])
    levels = torch.cat([torch.full_like(p, i + 1) for i, p in enumerate(level_parents)])
    return Tree(torch.cat(level_tokens)[wanted], parents, levels[wanted], slots)


def _best_chain(log_slots: torch.Tensor, tokens: torch.Tensor, pairs: torch.Tensor | None) -> Tree:
    slots = log_slots.shape[0]
    choice = log_slots[0].argmax()
    picked = [tokens[0, choice]]
    for slot in range(1, slots):
        logits = log_slots[slot] if pairs is None else log_slots[slot] + pairs[slot - 1, choice]
        choice = logits.argmax()
        picked.append(tokens[slot, choice])
    steps = torch.arange(slots, device=tokens.device)
    return Tree(torch.stack(picked), steps, steps + 1, slots)
