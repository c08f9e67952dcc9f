"""What verify passes take by their rows: measured at some numbers of rows, then followed by a Kalman filter."""

import math
from collections.abc import Mapping

import numpy as np

from s3d_core.settings import MAX_TREE_SIZE

# Numbers of rows that have a pace of their own besides those that were measured.
_KNOTS = (1, 2, 33, MAX_TREE_SIZE + 1)
# How little the paces are known, as variances over that of a single pass: at first, and what each pass adds to it. Luck
# is each measured number of rows' own, the rest is shared with those close to it.
_PACE_UNKNOWN, _PACE_DRIFTS = 0.56, 0.013
_LUCK, _ROWS_UNKNOWN, _ROWS_DRIFT = 0.12, 0.15, 0.003
# A pass that took longer than by this factor was held up, or is known to be slower by the next ones.
_HELD_UP = math.log(1.3)
# After so many passes, of which each counts at once, so many are learned from together: a pass leaves nothing of this
# in the processor's caches, and what is not there takes ten times as long.
_ONE_BY_ONE, _TOGETHER = 32, 8
# How far what is seen of some rows carries over to others: to half or twice as many next to nothing of it.
_REACH = 0.3


class RowCosts:
    """Milliseconds by rows, straight between the numbers of rows that have a pace.

    A common pace is what passes take now over what they usually do: a longer context or another busy program slows
    all of them. Beside it rows have paces of their own: measured a few times, they may have been lucky, and behind a
    long context they cost more. What is seen of one number of rows holds the more of another the closer it is: else
    one that was measured too dear would never be verified, and so never known better. The newer the last plain step
    is, the more a surprise is put down to the rows.

    Args:
        measured: milliseconds by rows, at least of one number of them.
        together: so many passes are learned from at once, after the first ones.

    Attributes:
        pace: what all passes take now over what they usually do.
        passes: usual milliseconds by rows, from none to those of the largest tree; not to be changed.
    """

    def __init__(self, measured: Mapping[int, float], together: int = _TOGETHER):
        self._together = together
        rows = sorted(measured)
        knots = sorted({*rows, *_KNOTS})
        self._measured = _continued(rows, [measured[n] for n in rows], knots)
        # Logarithms of what passes take over what was measured: of all, then of what each knot but the first adds.
        self._paces = np.zeros(len(knots))
        self._shares = _shares(knots)
        alike = _alike(knots)
        self._unknown = _unknown_at_first(rows, knots, alike)
        self._drift = _ROWS_DRIFT * alike
        self._drift[0, 0] = _PACE_DRIFTS
        self._usual = self._measured
        self._seen: list[tuple[int, float]] = []
        self._learned = 0
        self._tell()

    def _tell(self) -> None:
        self.pace = math.exp(self._paces[0])
        self.passes = [0.0, *(self._shares @ self._usual).tolist()]

    def now(self, rows: int) -> float:
        """Milliseconds that so many rows take now."""
        return self.passes[rows] * self.pace

    def saw(self, rows: int, ms: float) -> None:
        """A pass of so many rows took so long; it is learned from with the next ones."""
        self._seen.append((rows, ms))
        if len(self._seen) < self._together and self._learned >= _ONE_BY_ONE:
            return
        for one in self._seen:
            self._learn(*one)
        self._learned += len(self._seen)
        self._seen.clear()
        self._tell()

    def _learn(self, rows: int, ms: float) -> None:
        # What each pace, as a logarithm, adds to that of this pass.
        parts = self._shares[rows - 1] * self._usual
        usual = float(parts.sum())
        parts /= usual
        parts[0] = 1
        surprise = math.log(ms / usual) - float(self._paces[0])
        told = self._unknown @ parts
        gains = told / (1 + float(parts @ told))
        self._paces += max(-_HELD_UP, min(_HELD_UP, surprise)) * gains
        self._unknown -= gains[:, None] * told
        self._unknown += self._drift
        self._usual = self._measured * np.exp(self._paces)
        self._usual[0] = self._measured[0]

    def slow_down(self, by: float) -> None:
        """All passes take longer now by so much, as a logarithm."""
        self._paces[0] += by
        self.pace *= math.exp(by)


def _continued(rows: list[int], ms: list[float], wanted: list[int]) -> np.ndarray:
    """Milliseconds at the rows wanted: straight in between, and beyond as it goes on behind the last two."""
    costs = np.interp(wanted, rows, ms)
    if len(rows) > 1:
        slope = max(0.0, (ms[-1] - ms[-2]) / (rows[-1] - rows[-2]))
        costs += slope * np.maximum(0, np.array(wanted) - rows[-1])
    return costs


def _shares(knots: list[int]) -> np.ndarray:
    """How much of the milliseconds of 1, 2, 3, ... rows each knot's are."""
    rows = np.arange(1, MAX_TREE_SIZE + 2)
    return np.array([np.interp(rows, knots, one) for one in np.eye(len(knots))]).T


def _alike(knots: list[int]) -> np.ndarray:
    """How much passes have in common by pairs of knots, from 0 to 1, but for the pace of all."""
    counts = np.log(knots)
    alike = np.exp(-(((counts[:, None] - counts) / _REACH) ** 2) / 2)
    alike[0] = alike[:, 0] = 0
    return alike


def _unknown_at_first(rows: list[int], knots: list[int], alike: np.ndarray) -> np.ndarray:
    """Covariances of the paces: each measured number of rows may have been lucky by itself, and what lies between
    two of them with both."""
    measured = [n for n in rows if n > 1] or [2]
    shares = np.array([np.interp(knots, measured, one) for one in np.eye(len(measured))])
    shares[:, 0] = 0
    unknown = _LUCK * shares.T @ shares + _ROWS_UNKNOWN * alike
    unknown[0, 0] = _PACE_UNKNOWN
    return unknown
