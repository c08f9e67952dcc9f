"""Copying from what was said and meant before: a draft without any pass of the model."""

import numpy as np

from s3d_core.candidates import Candidates, default_calibration
from s3d_core.draft import State, Verdicts
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
        self._nothing = np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.int64)
        self._context: tuple[int, ...] = ()

    def propose(self, state: State) -> Tree:
        settings = state.settings
        return self.find(state, settings.draft_length, settings.tree_size, settings.least_probability)

    def find(self, state: State, length: int, size: int, least: float) -> Tree:
        """As `propose`, with other bounds than the settings have."""
        self._recall.follow(state.ids)
        self._context = tuple(state.ids[-LONGEST:])
        found = Candidates(*self._nothing, None, self._recall, self._context, self._weights, state.noise)
        return best_first(found.after, size, min(length, state.most), least)

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        self._recall.learn(self._context, tree, verdicts())
