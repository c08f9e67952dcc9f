"""The noise that decides draws: a number for each (seed, position, token), known before anything is drawn.

A token is drawn by the Gumbel-max rule, the largest log-probability plus noise. Noise is long-tailed but
seldom large, so a token that is improbable and has small noise need not be looked at: only the hash of each
token is made, and the two logarithms are taken of the few that can still win.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

# A token so much less probable (in nats) than the best one needs uncommonly large noise to win.
_NEAR = 8.0
# What rounding could hide, in nats and in steps of the uniform numbers.
_SLACK, _STEPS = 1e-6, 8


@dataclass(frozen=True)
class Noise:
    """The noise of the tokens about to be drawn, as their drafting may know it.

    Attributes:
        seed: of the reply.
        start: position of the next token.
        temperature: the noise is that of scores before they are divided by it.
    """

    seed: int
    start: int
    temperature: float

    def __call__(self, depth: int, tokens: np.ndarray) -> np.ndarray:
        """What is added to the logits of `tokens`, float64, `depth` tokens after the next one."""
        return self.temperature * gumbel(uniform(self.seed, self.start + depth, tokens))


def uniform(seed: int, position: int, tokens: np.ndarray) -> np.ndarray:
    """A number in (0, 1) for each token at a position, float64: SplitMix64 of the token under a hashed key.

    Each token's number is its own, so those that nobody can draw need none.
    """
    mixed = _places(tokens)
    _mix(mixed, seed, position, np.empty_like(mixed))
    return _numbers(mixed)


def noise_key(seed: int, position: int) -> int:
    """64 bits for a position of a text."""
    # Hashed, so that neighbouring seeds and positions share nothing.
    digest = hashlib.blake2b(f"{seed} {position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def gumbel(numbers: np.ndarray) -> np.ndarray:
    """Gumbel noise of numbers in (0, 1), the larger the larger."""
    return -np.log(-np.log(numbers))


class Lottery:
    """Draws by the Gumbel-max rule, with memory of its own for vocabularies of tens of thousands."""

    def __init__(self):
        self._all = self._mixed = self._scratch = np.empty(0, dtype=np.uint64)

    def winner(self, scores: np.ndarray, seed: int, position: int, tokens: np.ndarray | None = None) -> int:
        """Where the largest sum of score and noise is, just as if all had been added up.

        Args:
            scores: finite log-probabilities `[n]`, float32, up to a common constant.
            tokens: ids `[n]` the scores belong to; None for 0 to n - 1.
        """
        count = len(scores)
        if count > len(self._all):
            self._all = _places(np.arange(count))
            self._mixed, self._scratch = np.empty_like(self._all), np.empty_like(self._all)
        mixed = self._mixed[:count]
        mixed[:] = self._all[:count] if tokens is None else _places(tokens)
        _mix(mixed, seed, position, self._scratch[:count])
        near = scores > scores.max() - _NEAR
        at = np.flatnonzero(near)
        best = (scores[at] + gumbel(_numbers(mixed[at]))).max()
        # All others would need this much noise, so a number at least so large.
        wanted = best - (float(scores.max()) - _NEAR) - _SLACK
        least = int(math.exp(-math.exp(-wanted)) * 2.0**53) - _STEPS
        at = np.flatnonzero(near | (mixed >= np.uint64(max(0, least) << 11)))
        return int(at[(scores[at] + gumbel(_numbers(mixed[at]))).argmax()])


def _places(tokens: np.ndarray) -> np.ndarray:
    """Where the tokens stand in SplitMix64's sequence, before the key is added."""
    return (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)


def _mix(places: np.ndarray, seed: int, position: int, scratch: np.ndarray) -> None:
    """Turn places into 64 even bits each, in place."""
    places += np.uint64(noise_key(seed, position))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None)):
        np.right_shift(places, np.uint64(shift), out=scratch)
        places ^= scratch
        if factor is not None:
            places *= np.uint64(factor)


def _numbers(mixed: np.ndarray) -> np.ndarray:
    """The upper 53 bits as numbers in (0, 1)."""
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
