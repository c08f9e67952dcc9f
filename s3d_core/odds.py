"""How often what is recalled comes true, by the evidence for it: begun at an adapter's calibration, then counted.

The calibration was fitted once, on other texts and with other weights. What follows the same three words in a list
comes again nearly always, and what followed one common word seldom; how often, each model and chat shows soon enough.
Prompt lookup takes whatever it finds; knowing the odds is this project's own.
"""

import math
from collections.abc import Sequence

from s3d_core.candidates import EXTRA, OTHER, RECALLED

# The calibration counts as so many times that the evidence came up; and so many of the last times are remembered.
_AS_MANY, _REMEMBERED = 10, 100
# Nothing is ever certain.
_LEAST, _MOST = 0.001, 0.999

Recalled = Sequence[tuple[int, int]]
"""What `Recall.after` found, as (kind, token)."""
_Kinds = tuple[int, ...]


class Odds:
    """The probabilities of recalled tokens where nothing else is known of what comes.

    Args:
        weights: `[candidates.EVIDENCE]`, a calibration's for depths behind the slots.
    """

    def __init__(self, weights: Sequence[float]):
        self._weights = [float(weight) for weight in weights]
        # By the kinds of a token's evidence and of its rival's: probability, and times that it came up.
        self._known: dict[tuple[_Kinds, _Kinds], tuple[float, int]] = {}

    def likely(self, recalled: Recalled) -> list[tuple[float, int]]:
        """Log-probability and token, best first."""
        return sorted(((math.log(self._of(*key)[0]), token) for token, key in _keys(recalled)), reverse=True)

    def saw(self, recalled: Recalled, token: int) -> None:
        """Count what came: `token`, where so much was recalled."""
        for candidate, key in _keys(recalled):
            share, times = self._of(*key)
            rate = max(1 / _REMEMBERED, 1 / (_AS_MANY + times + 1))
            share += rate * ((candidate == token) - share)
            self._known[key] = min(_MOST, max(_LEAST, share)), times + 1

    def _of(self, own: _Kinds, rival: _Kinds) -> tuple[float, int]:
        known = self._known.get((own, rival))
        if known is None:
            mine, other = (
                math.exp(self._weights[EXTRA] + sum(self._weights[RECALLED + kind] for kind in kinds)) if kinds else 0.0
                for kinds in (own, rival)
            )
            known = self._known[own, rival] = mine / (mine + other + math.exp(self._weights[OTHER])), 0
        return known


def _keys(recalled: Recalled) -> list[tuple[int, tuple[_Kinds, _Kinds]]]:
    """Each token with the kinds of its evidence and of the other's; there are two tokens at most."""
    if len(recalled) == 2:
        (one, token), (two, other) = recalled
        if token != other:
            return [(token, ((one,), (two,))), (other, ((two,), (one,)))]
    kinds = tuple(kind for kind, _ in recalled)
    return [(token, (kinds, ())) for _, token in recalled[:1]]
