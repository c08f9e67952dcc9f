"""What a pass takes on this machine: measured once per shape, then kept in step with what rounds really take."""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from s3d_core.settings import MAX_TREE_SIZE

# A round's surprise moves the pace of drafts by so much, and no round counts as more than a factor of two.
_FOLLOWS, _MOST = 0.1, math.log(2)
# How little the paces are known, as variances over that of a single pass: at first, and what each pass adds to it. Luck
# is each measured number of rows' own, the rest is shared with those close to it.
_PACE_UNKNOWN, _PACE_DRIFTS = 0.5, 0.011
_LUCK, _ROWS_UNKNOWN, _ROWS_DRIFT = 0.1, 0.12, 0.003
# A pass that took longer than by this factor was held up, or is known to be slower by the next ones.
_HELD_UP = math.log(1.3)
# How far what is seen of some rows carries over to others: to half or twice as many next to nothing of it.
_REACH = 0.3
# How many draft passes the first measuring weighs as much as; without drafts it is forgotten down to the least.
_FIRST_MEASURED, _LEAST_KNOWN = 3.0, 1.0
_FORGETS = 0.05
# How often a shape is timed at most.
_TIMES = 5


class Shape(NamedTuple):
    """A pass that can be timed.

    Attributes:
        kind, size: a verify pass of so many rows, or a draft pass that skips so many layers.
        run: does it once.
    """

    kind: Literal["verify", "draft"]
    size: int
    run: Callable[[], object]


class Costs:
    """Milliseconds of the verify pass by rows, and of the draft pass by skipped layers.

    Verify passes in between are interpolated; draft passes lie on a line. A common pace carries over to all of them
    what is seen of verify passes: a longer context or another busy program slows every pass. Beside it draft passes
    have a pace of their own, as their search depends on the text; it is learned the faster the longer none was made.
    And so do verify passes by their rows: measured a few times, they may have been lucky, and behind a long context
    rows cost more. What is seen of one number of rows holds the more of another the closer it is: else one that was
    measured too dear would never be verified, and so never known better. A Kalman filter tells the common pace from
    those of the rows: the newer the last plain step is, the more a surprise is put down to the rows.

    Args:
        verify: milliseconds by rows, where they are known already.
        draft: milliseconds by skipped layers, likewise.
        first_runs: of each shape, those that pay for memory, compiling and recording, and are not timed.
    """

    def __init__(
        self, verify: Mapping[int, float] | None = None, draft: Mapping[int, float] | None = None, first_runs: int = 1
    ):
        self._verify = dict(verify or {})
        self._draft = dict(draft or {})
        self._first_runs = first_runs
        self._drafts: dict[int, float] = {}
        self._draft_pace = 0.0
        self._drafts_known = _FIRST_MEASURED
        # Logarithms of what passes take over what was measured: at 1 that of all, from 2 on what rows add to it.
        self._paces = np.zeros(MAX_TREE_SIZE + 2)
        self._unknown = np.empty((0, 0))
        self._table = np.empty(0)
        self._passes: list[float] = []

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return bool(self._verify)

    def measure(self, shapes: Sequence[Shape], needed: int, budget_s: float) -> None:
        """Time shapes in turns, and keep the median of each: a machine that is slow for a second is so for all alike.

        The fastest would not do: what waits for memory is lucky now and then, and what computes hardly ever, so that
        many rows would look dearer beside a plain step than they are in use.

        Args:
            shapes: the most important first.
            needed: so many of them are timed once whatever it takes.
            budget_s: seconds after which no further pass begins.
        """
        ends = time.perf_counter() + budget_s
        times: defaultdict[int, list[float]] = defaultdict(list)
        for number in range(_TIMES):
            for place, shape in enumerate(shapes):
                if time.perf_counter() > ends and (number or place >= needed):
                    return
                if number == 0:
                    for _ in range(self._first_runs):
                        shape.run()
                times[place].append(_timed(shape.run))
                self._keep(shape, statistics.median_low(times[place]))

    def _keep(self, shape: Shape, ms: float) -> None:
        held = self._verify if shape.kind == "verify" else self._draft
        held[shape.size] = ms
        self._table, self._unknown = np.empty(0), np.empty((0, 0))
        self._drafts.clear()

    @property
    def pace(self) -> float:
        """What all passes take now over what they usually do."""
        return math.exp(self._paces[1])

    @property
    def passes(self) -> list[float]:
        """Milliseconds that a verify pass usually takes by its rows, from none to those of the largest tree; not to be
        changed."""
        if not len(self._table):
            self._table, self._passes = self._interpolated(MAX_TREE_SIZE + 1), []
        if not self._passes:
            paces = self._paces.copy()
            paces[1] = 0
            self._passes = (self._table * np.exp(paces)).tolist()
        return self._passes

    def verify(self, rows: int) -> float:
        """Milliseconds that a verify pass of so many rows takes now."""
        return self.passes[rows] * self.pace

    def _interpolated(self, most_rows: int) -> np.ndarray:
        rows = sorted(self._verify)
        measured = [self._verify[n] for n in rows]
        wanted = np.arange(most_rows + 1)
        costs = np.interp(wanted, rows, measured)
        if len(rows) > 1:
            slope = max(0.0, (measured[-1] - measured[-2]) / (rows[-1] - rows[-2]))
            costs += slope * np.maximum(0, wanted - rows[-1])
        costs[0] = 0
        return costs

    def _unknown_at_first(self) -> np.ndarray:
        """Covariances of the paces: each measured number of rows may have been lucky by itself, and what lies between
        two of them with both."""
        rows = [n for n in sorted(self._verify) if n > 1] or [2]
        wanted = np.arange(MAX_TREE_SIZE + 2)
        shares = np.array([np.interp(wanted, rows, one) for one in np.eye(len(rows))])
        shares[:, :2] = 0
        unknown = _LUCK * shares.T @ shares + _ROWS_UNKNOWN * _alike()
        unknown[1, 1] = _PACE_UNKNOWN
        return unknown

    def usual_draft(self, skipped: int) -> float:
        """Milliseconds that a draft pass usually takes, its search included; infinite where none was measured."""
        base = self._drafts.get(skipped)
        if base is None:
            base = self._drafts[skipped] = self._on_line(skipped)
        return base * math.exp(self._draft_pace)

    def _on_line(self, skipped: int) -> float:
        """Every layer takes as long: one count that was lucky when it was timed is none that is cheap."""
        counts = sorted(self._draft)
        if len(counts) < 2:
            return self._draft[counts[0]] if counts else math.inf
        slope, start = np.polyfit(counts, [self._draft[n] for n in counts], 1)
        return float(start + slope * max(counts[0], min(counts[-1], skipped)))

    def draft(self, skipped: int) -> float:
        """Milliseconds that a draft pass takes now."""
        return self.usual_draft(skipped) * self.pace

    def saw_verify(self, rows: int, ms: float) -> None:
        """A verify pass of a reply took so long."""
        surprise = _surprise(ms / self.verify(rows), _HELD_UP)
        if not len(self._unknown):
            self._unknown = self._unknown_at_first()
        unknown, summed = self._unknown, [1] if rows == 1 else [1, rows]
        told = unknown[summed].sum(0)
        gains = told / (1 + told[summed].sum())
        self._paces += gains * surprise
        unknown -= np.outer(gains, told)
        unknown += _ROWS_DRIFT * _alike()
        unknown[1, 1] += _PACE_DRIFTS
        self._passes = []

    def saw_draft(self, skipped: int, ms: float) -> None:
        """A draft pass of a reply took so long."""
        follows = max(_FOLLOWS, 1 / (1 + self._drafts_known))
        self._drafts_known += 1
        self._draft_pace += follows * _surprise(ms / self.draft(skipped))

    def saw_no_draft(self) -> None:
        """A round of a reply went by without a draft pass."""
        self._drafts_known += _FORGETS * (_LEAST_KNOWN - self._drafts_known)

    def saw_round(self, skipped: int, rows: int, ms: float) -> None:
        """A draft and a verify pass of a reply took so long together."""
        self._paces[1] += _FOLLOWS * _surprise(ms / (self.draft(skipped) + self.verify(rows)))


@cache
def _alike() -> np.ndarray:
    """How much passes of 0, 1, 2, ... rows have in common by pairs, from 0 to 1, but for the pace of all."""
    counts = np.log(np.arange(2, MAX_TREE_SIZE + 2))
    alike = np.zeros((MAX_TREE_SIZE + 2, MAX_TREE_SIZE + 2))
    alike[2:, 2:] = np.exp(-(((counts[:, None] - counts) / _REACH) ** 2) / 2)
    return alike


def _surprise(ratio: float, most: float = _MOST) -> float:
    return max(-most, min(most, math.log(ratio)))


def _timed(run: Callable[[], object]) -> float:
    """Milliseconds of a run."""
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)
