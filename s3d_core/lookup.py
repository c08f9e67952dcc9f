"""Copying from what was said and meant before: a draft without any pass of the model."""

import numpy as np

from s3d_core.candidates import Candidates, default_calibration
from s3d_core.draft import State, Verdicts
from s3d_core.noise import Noise
from s3d_core.odds import Odds
from s3d_core.recall import LONGEST, Recall
from s3d_core.tree import Tree, best_first


class Lookup:
    """What followed the newest words before, as a tree (see `recall`; kin: prompt lookup decoding).

    Args:
        recall: may be shared with other strategies.
        weights: `[slots + 1, candidates.EVIDENCE]`, of which the last row is used; None for the default ones.
    """

    def __init__(self, recall: Recall, weights: np.ndarray | None = None):
        self._recall = recall
        self._weights = default_calibration(0) if weights is None else weights
        self._odds = Odds(self._weights[-1])
        self._nothing = np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.int64)
        self._context: tuple[int, ...] = ()
        self._found: list[tuple[int, int]] = []
        self._noise: Noise | None = None

    def propose(self, state: State) -> Tree:
        settings = state.settings
        if not self.knows(state):
            return Tree()
        return self.find(state, settings.draft_length, settings.tree_size, settings.least_probability)

    def knows(self, state: State) -> bool:
        """Whether anything followed the newest words before; takes in what is new in the text."""
        self._recall.follow(state.ids)
        self._context, self._noise = tuple(state.ids[-LONGEST:]), state.noise
        self._found = self._recall.after(self._context)
        return bool(self._found)

    def find(self, state: State, length: int, size: int, least: float) -> Tree:
        """The tree behind the words that `knows` was last asked about."""
        after = self._after
        if self._noise:  # which says more than the odds do
            recall, context = self._recall, self._context
            after = Candidates(*self._nothing, None, recall, context, self._weights, self._noise).after
        return best_first(after, size, min(length, state.most), least)

    def _after(self, path: tuple[int, ...]) -> list[tuple[float, int]]:
        return self._odds.likely(self._recall.after((*self._context, *path)[-LONGEST:]))

    def judge(self, emitted: list[int]) -> None:
        """Count how often what was recalled came true in a round, whatever was drafted; before learning from it."""
        if self._noise is not None:
            return
        context, found = self._context, self._found
        for number, token in enumerate(emitted):
            if number:
                context = (*context, emitted[number - 1])[-LONGEST:]
                found = self._recall.after(context)
            if found:
                self._odds.saw(found, token)

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        self.judge(emitted)
        self._recall.learn(self._context, tree, verdicts())
