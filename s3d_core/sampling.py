"""The target's processed distribution, and draws from it that depend on (seed, position) alone.

A token is drawn by the Gumbel-max rule: the argmax of log-probability plus noise. The noise of a
position is the same whatever was drafted there, so the same seed gives the same text as plain
decoding with every strategy and at any slider position. Temperature 0 is the bare argmax.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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

from s3d_core.settings import SamplingSettings


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
        return -self.temperature * np.log(-np.log(uniform(self.seed, self.start + depth, tokens)))


class Sampler:
    """Draws target tokens row by row for one reply."""

    def __init__(self, settings: SamplingSettings):
        self.settings = settings
        self.greedy = settings.temperature == 0
        self.penalised = settings.repetition_penalty != 1.0
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
        ids = torch.tensor([list(prefix)] if self.penalised else [[0]], device=logits.device)
        scores = self._early(ids, logits.float()[None].clone())[0] if self._early else logits.float()
        if not self._late:
            return scores
        if not self.settings.top_k:
            return self._late(ids, scores[None])[0]
        left = _finite(scores)
        narrowed = torch.full_like(scores, float("-inf"))
        narrowed[left] = self._late(ids, scores[left][None])[0]
        return narrowed

    def draw(self, scores: torch.Tensor, position: int) -> int:
        """The token at `position` for processed scores `[vocabulary]`."""
        if self.greedy:
            return int(scores.argmax())
        left = _finite(scores)
        held = scores[left].log_softmax(dim=-1).cpu().numpy()
        tokens = left.cpu().numpy()
        noise = -np.log(-np.log(uniform(self.settings.seed, position, tokens)))
        return int(tokens[(held + noise).argmax()])

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


def uniform(seed: int, position: int, tokens: np.ndarray) -> np.ndarray:
    """A number in (0, 1) for each token at a position, float64: SplitMix64 of the token under a hashed key.

    Each token's number is its own, so those that nobody can draw need none.
    """
    z = np.uint64(noise_key(seed, position)) + (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def noise_key(seed: int, position: int) -> int:
    """64 bits for a position of a text."""
    # Hashed, so that neighbouring seeds and positions share nothing.
    digest = hashlib.blake2b(f"{seed} {position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _finite(scores: torch.Tensor) -> torch.Tensor:
    """Indices of the tokens that can be drawn."""
    return torch.nonzero(scores > float("-inf")).squeeze(1)


def plausible(scores: torch.Tensor, exactness: float) -> float:
    """The least probability at which a draft passes the relaxed rule, for processed scores `[vocabulary]`.

    Typical acceptance (Medusa, arXiv:2401.10774): p >= min(epsilon, delta * exp(-H(p))), with delta
    the root of epsilon. How the slider maps to epsilon is this project's choice.
    """
    log_p = scores.log_softmax(dim=-1)
    p = log_p.exp()
    entropy = float(-(p * log_p.clamp(min=-1e4)).sum())
    epsilon = 0.02 + 0.58 * exactness
    return min(epsilon, epsilon**0.5 * float(torch.exp(torch.tensor(-entropy))))


def most_likely(logits: torch.Tensor) -> list[int]:
    """The best token of each row of `[rows, vocabulary]`."""
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        return logits.numpy().argmax(axis=-1).tolist()  # a tenth of the time that torch takes here
    return logits.argmax(dim=-1).tolist()
