"""What a pass takes on this machine: measured once per shape, then kept in step with what rounds really take."""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from s3d_core.row_costs import RowCosts

# A round's surprise moves the pace of drafts by so much, and no round counts as more than by that factor.
_FOLLOWS, _MOST = 0.1, 1.75
# How many draft passes the first measuring weighs as much as; without drafts it is forgotten down to the least.
_FIRST_MEASURED, _LEAST_KNOWN = 3.0, 0.8
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

    What verify passes take follows from what is seen of them (see `row_costs`); draft passes lie on a line. The pace of
    all passes holds for drafts, too. Beside it they have a pace of their own, as their search depends on the text; it
    is learned the faster the longer none was made.

    Args:
        verify: milliseconds by rows, where they are known already.
        draft: milliseconds by skipped layers, likewise.
        first_runs: of each shape, those that pay for memory, compiling and recording, and are not timed.
    """

    def __init__(
        self, verify: Mapping[int, float] | None = None, draft: Mapping[int, float] | None = None, first_runs: int = 1
    ):
        self._verify = dict(verify or {})
        self._rows: RowCosts | None = None
        self._draft = dict(draft or {})
        self._first_runs = first_runs
        self._drafts: dict[int, float] = {}
        self._draft_pace = 1.0
        self._drafts_known = _FIRST_MEASURED

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
        if shape.kind == "verify":
            self._verify[shape.size] = ms
            self._rows = None
        else:
            self._draft[shape.size] = ms
            self._drafts.clear()

    @property
    def pace(self) -> float:
        """What all passes take now over what they usually do."""
        return self._followed.pace if self._verify else 1.0

    @property
    def passes(self) -> list[float]:
        """Milliseconds that a verify pass usually takes by its rows, from none to those of the largest tree; not to be
        changed."""
        return self._followed.passes

    def verify(self, rows: int) -> float:
        """Milliseconds that a verify pass of so many rows takes now."""
        return self._followed.now(rows)

    @property
    def _followed(self) -> RowCosts:
        """What was measured of verify passes, and seen of them since."""
        if self._rows is None:
            self._rows = RowCosts(self._verify)
        return self._rows

    def usual_draft(self, skipped: int) -> float:
        """Milliseconds that a draft pass usually takes, its search included; infinite where none was measured."""
        base = self._drafts.get(skipped)
        if base is None:
            base = self._drafts[skipped] = self._on_line(skipped)
        return base * self._draft_pace

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
        self._followed.saw(rows, ms)

    def saw_draft(self, skipped: int, ms: float) -> None:
        """A draft pass of a reply took so long."""
        follows = max(_FOLLOWS, 1 / (1 + self._drafts_known))
        self._drafts_known += 1
        # Of what they take on average: a search that takes long now and then is as dear as it is.
        self._draft_pace *= 1 + follows * (max(1 / _MOST, min(_MOST, ms / self.draft(skipped))) - 1)

    def saw_no_draft(self) -> None:
        """A round of a reply went by without a draft pass."""
        self._drafts_known += _FORGETS * (_LEAST_KNOWN - self._drafts_known)

    def saw_round(self, skipped: int, rows: int, ms: float) -> None:
        """A draft and a verify pass of a reply took so long together."""
        surprise = math.log(ms / (self.draft(skipped) + self.verify(rows)))
        self._followed.slow_down(_FOLLOWS * max(-math.log(_MOST), min(math.log(_MOST), surprise)))


def _timed(run: Callable[[], object]) -> float:
    """Milliseconds of a run."""
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)
