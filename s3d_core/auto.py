"""Auto: what to draft with, how many layers to skip and how much to verify, decided round by round.

The decisions are those of `policy`; here they meet the strategies, the model and the clock.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import torch

from s3d_core.cache import Cache
from s3d_core.costs import Costs, Shape
from s3d_core.decode import verify
from s3d_core.draft import State, Verdicts
from s3d_core.grown import Grown
from s3d_core.kernels import jit
from s3d_core.lookup import Lookup
from s3d_core.policy import WIDEST, Policy
from s3d_core.s3d import S3D
from s3d_core.sampling import most_likely
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings
from s3d_core.target import Target
from s3d_core.tree import Tree

# On packed processors so many rows are multiplied at once, and the next one costs a step.
_ROWS = (1, 9, 17, 33, 4, 24, 2, 25) if jit.lanes_at_once() != 8 else (1, 9, 18, 6, 3, 8, 12)
_BUDGET_S = 3.0


class Auto:
    """The strategy that chooses.

    Args:
        lookup, s3d: what it chooses from, sharing one recall; s3d is None without an adapter.
        card: the adapter's; `accepted_by_skipped` says how many drafted tokens were accepted a round
            on held-out chats, by skipped layers.

    Attributes:
        policy: what decides.
    """

    def __init__(self, target: Target, lookup: Lookup, s3d: S3D | None, card: Mapping | None):
        self._target, self._lookup, self._s3d = target, lookup, s3d
        # The second call of a pass is the one that is recorded.
        costs = Costs(first_runs=1 if target.steps is None else 2)
        self.policy = Policy(_gains(card or {}, s3d) if s3d else {}, costs)
        self._text: list[int] | None = None
        self._skipped: int | None = None
        self._began = 0.0
        # When the draft was there; None where it grew on the device and was never there before it was verified.
        self._drafted: float | None = None

    @torch.inference_mode()
    def measure(self, cache: Cache, budget_s: float = _BUDGET_S) -> None:
        """Time the shapes there are to choose from, in the scratch slots behind `cache`'s tokens."""
        ids = [*cache.ids, 0]
        verify = [Shape("verify", n, partial(self._verify, cache, Tree.chain([0] * (n - 1)))) for n in _ROWS]
        draft = []
        if self._s3d:
            counts = sorted(self.policy.gains)
            for skipped in dict.fromkeys((counts[len(counts) // 2], counts[0], counts[-1])):
                settings = DraftSettings("s3d", skipped, MAX_DRAFT_LENGTH, tree_size=8)
                state = State(ids, cache, settings, MAX_DRAFT_LENGTH)
                draft.append(Shape("draft", skipped, partial(self._draft, state)))
        shapes = verify[:2] + draft + verify[2:]
        self.policy.costs.measure(shapes, needed=2 + bool(draft), budget_s=budget_s)

    def _verify(self, cache: Cache, tree: Tree) -> list[int]:
        return most_likely(verify(self._target, cache, 0, tree))

    def _draft(self, state: State) -> None:
        tree = self._s3d.propose(state) if self._s3d else Tree()
        if isinstance(tree, Grown):
            tree.packed().cpu()  # a device has to be waited for

    def propose(self, state: State) -> Tree | Grown:
        policy = self.policy
        if not policy.costs.known:
            self.measure(state.cache)
        self._began = time.perf_counter()
        wished = state.settings
        if state.ids is not self._text:
            self._text = state.ids
            policy.begin()
        knows = self._lookup.knows(state)
        if not knows and policy.rests():
            self._skipped, self._drafted = None, time.perf_counter()
            state.settings = _chosen(wished, "plain", wished.skipped, 1, 1)
            return Tree()
        least = policy.least()
        copy = self._lookup.find(state, MAX_DRAFT_LENGTH, WIDEST, least) if knows else Tree()
        tree, self._skipped = policy.weigh(copy)
        self._drafted = None
        strategy, skipped = "lookup" if tree.tokens else "plain", wished.skipped
        if self._skipped is not None and self._s3d:
            strategy, skipped = "s3d", self._skipped
            # A tree that grows on the device is verified as it is: the host does not see it before.
            size = policy.widest if self._target.steps is None else wished.tree_size
            state.settings = DraftSettings(strategy, skipped, MAX_DRAFT_LENGTH, size, wished.exactness, least)
            grown = self._s3d.propose(state)
            if isinstance(grown, Grown):
                return grown
            tree = policy.cut(grown)
        state.settings = _chosen(wished, strategy, skipped, max(1, tree.depth), max(1, len(tree)))
        self._drafted = time.perf_counter()
        return tree

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        if self._skipped is not None and self._s3d:
            self._lookup.judge(emitted)
            self._s3d.learn(tree, verdicts, emitted)
        else:
            self._lookup.learn(tree, verdicts, emitted)
        ended = time.perf_counter()
        draft_ms = None if self._drafted is None else 1000 * (self._drafted - self._began)
        whole_ms = 1000 * (ended - self._began)
        self.policy.saw(tree, self._skipped, emitted, draft_ms, whole_ms)


@lru_cache(maxsize=1024)
def _chosen(wished: DraftSettings, strategy: str, skipped: int, length: int, size: int) -> DraftSettings:
    # Checking every field takes longer than deciding what to draft.
    return replace(wished, strategy=strategy, skipped=skipped, draft_length=length, tree_size=size)


def _gains(card: Mapping, s3d: S3D) -> dict[int, float]:
    """Accepted tokens a round by skipped layers, from an adapter's card; one usual count where it says nothing.

    Where drafts run on copies of the layers, each layer costs next to nothing but memory: of the counts that drafting
    does not hold too much for, the one that brings most is left, or the largest of all.
    """
    measured = {int(k): float(v) for k, v in card.get("accepted_by_skipped", {}).items() if float(v) > 0}
    measured = measured or {int(card.get("defaults", {}).get("skipped", 1)): 1.5}
    if not s3d.has_copies:
        return measured
    counts = sorted(measured)
    every = range(counts[0], counts[-1] + 1)
    brought = dict(zip(every, np.interp(every, counts, [measured[n] for n in counts]).tolist(), strict=True))
    best = max(filter(s3d.affords, every), key=brought.__getitem__, default=counts[-1])
    return {best: brought[best]}
