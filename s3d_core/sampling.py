"""The target's processed distribution, and draws from it that depend on (seed, position) alone.

A token is drawn by the Gumbel-max rule: the argmax of log-probability plus noise. The noise of a
position is the same whatever was drafted there, so the same seed gives the same text as plain
decoding with every strategy and at any slider position. Temperature 0 is the bare argmax.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from s3d_core.noise import Lottery, Noise
from s3d_core.settings import SamplingSettings

# Of the least probability that min-p leaves: closer to it, transformers' own rule decides.
_MARGIN = 0.99
# How far the relaxed rule is from the strictest to the most lenient, by how far the slider is from exact.
_PACE = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.24, 0.39, 0.57, 1.0)


class Sampler:
    """Draws target tokens row by row for one reply."""

    def __init__(self, settings: SamplingSettings):
        self.settings = settings
        self.greedy = settings.temperature == 0
        self.penalised = settings.repetition_penalty != 1.0
        self._lottery = Lottery()
        # transformers' own processors in the order of its generate. Those of `_late` look at
        # probabilities alone, so after a top-k they need to see no more than what it left.
        self._early, self._late = LogitsProcessorList(), LogitsProcessorList()
        if self.penalised:
            self._early.append(RepetitionPenaltyLogitsProcessor(float(settings.repetition_penalty)))
        if not self.greedy:
            if settings.temperature != 1.0:
                self._early.append(TemperatureLogitsWarper(float(settings.temperature)))
            if settings.top_k:
                self._early.append(TopKLogitsWarper(settings.top_k))
            if settings.top_p < 1.0:
                self._late.append(TopPLogitsWarper(float(settings.top_p)))
            if settings.min_p > 0.0:
                self._late.append(MinPLogitsWarper(float(settings.min_p)))

    def scores(self, logits: torch.Tensor, prefix: Sequence[int]) -> torch.Tensor:
        """The processed log-scores `[vocabulary]` (not normalised) of one row, in float32.

        Args:
            logits: `[vocabulary]`.
            prefix: every token id before the one to be drawn.
        """
        if logits.device.type == "cpu" and not self.penalised:
            return torch.from_numpy(self._on_host(logits.float().numpy()))
        ids = torch.tensor([list(prefix)] if self.penalised else [[0]], device=logits.device)
        scores = self._early(ids, logits.float()[None].clone())[0] if self._early else logits.float()
        if not self._late:
            return scores
        if not self.settings.top_k:
            return self._late(ids, scores[None])[0]
        left = torch.nonzero(scores > float("-inf")).squeeze(1)
        narrowed = torch.full_like(scores, float("-inf"))
        narrowed[left] = self._late(ids, scores[left][None])[0]
        return narrowed

    def _on_host(self, scores: np.ndarray) -> np.ndarray:
        """The same without a penalty. torch would share each of these steps among threads, which takes longer."""
        settings = self.settings
        if settings.temperature not in (0, 1):
            scores = scores / np.float32(settings.temperature)
        least = -np.inf
        if settings.top_k and not self.greedy:
            least = np.partition(scores, -min(settings.top_k, len(scores)))[-min(settings.top_k, len(scores))]
        if self._late and settings.min_p > 0 and settings.top_p == 1:
            # Of the rest none is left, and what they weigh does not matter to the others.
            least = max(least, scores.max() + math.log(_MARGIN * settings.min_p))
        if least == -np.inf and not self._late:
            return scores
        left = np.flatnonzero(scores >= least)
        narrowed = np.full_like(scores, -np.inf)
        narrowed[left] = scores[left]
        if self._late:
            ids = torch.zeros(1, 1, dtype=torch.int64)
            narrowed[left] = self._late(ids, torch.from_numpy(scores[left])[None])[0].numpy()
        return narrowed

    def draw(self, scores: torch.Tensor, position: int) -> int:
        """The token at `position` for processed scores `[vocabulary]`."""
        if self.greedy:
            return int(scores.argmax())
        held, tokens = scores.cpu(), None
        if float(held.numpy().min()) == -np.inf:
            tokens = np.flatnonzero(held.numpy() > -np.inf)
            held = torch.from_numpy(held.numpy()[tokens])
        place = self._lottery.winner(held.log_softmax(dim=-1).numpy(), self.settings.seed, position, tokens)
        return place if tokens is None else int(tokens[place])

    def draw_all(self, logits: torch.Tensor, noise: torch.Tensor | None, prefixes: torch.Tensor | None) -> torch.Tensor:
        """The tokens `[rows]` of rows `[rows, vocabulary]`, without a word to the host; as `draw` of each.

        Args:
            noise: float64 `[rows, vocabulary]`, Gumbel noise of the rows' positions; None when greedy.
            prefixes: `[rows, tokens]`, every token id before the one to be drawn, in any order and as often as
                one likes; None without a penalty.
        """
        if self.greedy and not self.penalised:
            return logits.argmax(dim=-1)
        scores = logits.float()
        if self._early:
            scores = self._early(prefixes, scores.clone())
        if self._late:
            scores = self._late(prefixes, scores)
        return (scores if noise is None else scores.log_softmax(dim=-1) + noise).argmax(dim=-1)

    def noise(self, start: int) -> Noise | None:
        """What drafting may know of the draws from position `start` on; None when greedy."""
        return None if self.greedy else Noise(self.settings.seed, start, float(self.settings.temperature))


def plausible(scores: torch.Tensor, exactness: float) -> float:
    """The least probability at which a draft passes the relaxed rule, for processed scores `[vocabulary]`.

    Typical acceptance (Medusa, arXiv:2401.10774): p >= min(epsilon, delta * exp(-H(p))). How the slider maps to
    epsilon and delta is this project's choice: from rules that next to nothing passes to lenient ones, at a pace
    measured on replies of the default model, so that the share of other tokens rises evenly.
    """
    log_p = scores.log_softmax(dim=-1)
    entropy = float(-(log_p.exp() * log_p.clamp(min=-1e4)).sum())
    way = float(np.interp(1 - exactness, *_PACE))
    return math.exp(min(0.5 - 4.4 * way, 2.2 - 3.7 * way - entropy))


def most_likely(logits: torch.Tensor) -> list[int]:
    """The best token of each row of `[rows, vocabulary]`."""
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        return logits.numpy().argmax(axis=-1).tolist()  # a tenth of the time that torch takes here
    return logits.argmax(dim=-1).tolist()
