"""How probable each next token of a path is: the slots' logits, their coherence, and what was recalled.

The evidence is joined by a few numbers per slot, which are fitted so that path probabilities are
right (see `train.calibrate`): a scale for the logits (an inverse temperature), a weight for the
coherence term, one for each kind of recalled evidence, one for a token that is not among the
slot's best and stands there only because it was recalled, and one for all tokens that do not.
Where tokens are sampled, the noise that will choose among them is known beforehand (see
`sampling`), so it is evidence as well.
"""

import math

import numpy as np

from s3d_core.noise import Noise
from s3d_core.recall import LONGEST, Recall

SCALE, PAIRS, RECALLED = 0, 1, 2
EXTRA = RECALLED + Recall.kinds
OTHER = EXTRA + 1
# The temperature times a token's Gumbel noise, and for all the other tokens the temperature alone.
NOISE, HEAT = OTHER + 1, OTHER + 2
EVIDENCE = HEAT + 1
# Stands for every token that is no candidate.
NO_TOKEN = -1


def default_calibration(slots: int) -> np.ndarray:
    """Weights `[slots + 1, EVIDENCE]` for an adapter that was not calibrated, near those of the default model's.

    The last row is for depths behind the slots, where only recalled tokens are known.
    """
    weights = [1.0, 0.6, 0.4, 1.4, 3.0, 1.3, 1.8, 0.8, 2.3, 2.0, 0.6, 2.4]
    return np.tile(np.array(weights, dtype=np.float32), (slots + 1, 1))


class Candidates:
    """One draft pass's proposals, as next-token probabilities for any path.

    Args:
        logits: `[slots, k]` of each slot's best tokens, best first.
        tokens: `[slots, k]` their ids.
        pairs: `[slots - 1, k, k]` coherence of (choice in slot i, choice in slot i+1); None for one slot.
        recall: what was said and meant.
        context: the text's last tokens, the current one last.
        weights: `[slots of the adapter + 1, EVIDENCE]`.
        noise: for sampling, see `sampling.Noise`; None when greedy.
    """

    def __init__(
        self,
        logits: np.ndarray,
        tokens: np.ndarray,
        pairs: np.ndarray | None,
        recall: Recall,
        context: tuple[int, ...],
        weights: np.ndarray,
        noise: Noise | None = None,
    ):
        self._tokens: list[list[int]] = tokens.tolist()
        self._places = [{token: place for place, token in enumerate(row)} for row in self._tokens]
        self._pairs, self._recall, self._context = pairs, recall, context
        self._logits, self._noise = logits, noise
        self._weights: list[list[float]] = weights.tolist()
        # All paths of a length share a slot's noise.
        self._slot_noise = [noise(slot, row) for slot, row in enumerate(tokens)] if noise else []
        self._scores = self._slot_scores(weights[: len(tokens)]) if len(tokens) else logits
        self._unrecalled: dict[tuple[int, int], list[tuple[float, int]]] = {}

    def _slot_scores(self, weights: np.ndarray) -> np.ndarray:
        """What the slots alone say, `[slots, k + 1, k]`: behind each choice of the slot before, and any other token."""
        slots, k = self._logits.shape
        alone = weights[:, SCALE, None] * self._logits
        if self._slot_noise:
            alone += weights[:, NOISE, None] * np.stack(self._slot_noise)
        scores = np.repeat(alone[:, None], k + 1, axis=1)
        if slots > 1 and self._pairs is not None:
            scores[1:, :k] += weights[1:, PAIRS, None, None] * self._pairs
        return scores

    def evidence(self, path: tuple[int, ...]) -> tuple[list[int], np.ndarray]:
        """The tokens that may follow `path`, `NO_TOKEN` first, and their evidence `[tokens, EVIDENCE]`.

        For fitting the weights; `after` joins the same evidence without spelling it out.
        """
        slot, recalled = len(path), self._recall.after((*self._context, *path)[-LONGEST:])
        inside = slot < len(self._tokens)
        tokens = [NO_TOKEN, *self._tokens[slot]] if inside else [NO_TOKEN]
        best = len(tokens)
        tokens += dict.fromkeys(token for _, token in recalled if token not in tokens)
        found = np.zeros((len(tokens), EVIDENCE), dtype=np.float32)
        found[0, OTHER] = 1
        found[best:, EXTRA] = 1
        if inside:
            logits = self._logits[slot]
            found[1:best, SCALE] = logits
            # What the slot says of tokens below its best: no more than this.
            found[0, SCALE] = found[best:, SCALE] = logits[-1] - 1
            if slot and self._pairs is not None and path[-1] in self._tokens[slot - 1]:
                found[1:best, PAIRS] = self._pairs[slot - 1, self._tokens[slot - 1].index(path[-1])]
        for kind, token in recalled:
            found[tokens.index(token), RECALLED + kind] = 1
        if self._noise:
            if inside:
                found[1:best, NOISE] = self._slot_noise[slot]
            if len(tokens) > best:
                found[best:, NOISE] = self._noise(slot, np.array(tokens[best:]))
            found[0, HEAT] = self._noise.temperature
        return tokens, found

    def after(self, path: tuple[int, ...]) -> list[tuple[float, int]]:
        """Log-probability and token of what may follow `path`, best first: the softmax of the weighed evidence."""
        recalled = self._recall.after((*self._context, *path)[-LONGEST:])
        slot = len(path)
        if slot >= len(self._tokens):
            return self._joined(self._weights[-1], 0.0, {}, recalled, slot) if recalled else []
        # Behind what is no choice of the slot before, nothing is known of how the two go together.
        place = self._places[slot - 1].get(path[-1], -1) if slot else -1
        known = None if recalled else self._unrecalled.get((slot, place))
        if known is None:
            weights = self._weights[slot]
            rest = weights[SCALE] * (float(self._logits[slot, -1]) - 1)
            offered = dict(zip(self._tokens[slot], self._scores[slot, place].tolist(), strict=True))
            known = self._joined(weights, rest, offered, recalled, slot)
            if not recalled:
                self._unrecalled[slot, place] = known
        return known

    def _joined(
        self, weights: list[float], rest: float, scores: dict[int, float], recalled: list[tuple[int, int]], slot: int
    ) -> list[tuple[float, int]]:
        """Add what was recalled to the slot's scores and make them log-probabilities, best first.

        Args:
            rest: what the slot says of tokens that are none of its best.
        """
        for kind, token in recalled:
            if token not in scores:
                scores[token] = rest + weights[EXTRA]
                if self._noise:
                    scores[token] += weights[NOISE] * float(self._noise(slot, np.array([token]))[0])
            scores[token] += weights[RECALLED + kind]
        other = rest + weights[OTHER] + (weights[HEAT] * self._noise.temperature if self._noise else 0.0)
        # Sixteen numbers take numpy longer than plain Python.
        most = max(other, *scores.values())
        whole = most + math.log(math.exp(other - most) + sum(math.exp(score - most) for score in scores.values()))
        return sorted(((score - whole, token) for token, score in scores.items()), reverse=True)
