"""The target's processed distribution, and draws from it that depend on (seed, position) alone.

A token is drawn by the Gumbel-max rule: the argmax of log-probability plus noise. The noise of a
position is the same whatever was drafted there, so the same seed gives the same text as plain
decoding with every strategy and at any slider position. Temperature 0 is the bare argmax.
"""

import hashlib
from collections.abc import Sequence

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


class Sampler:
    """Draws target tokens row by row for one reply."""

    def __init__(self, settings: SamplingSettings):
        self.settings = settings
        self.greedy = settings.temperature == 0
        self.penalised = settings.repetition_penalty != 1.0
        self.processors = LogitsProcessorList()
        if self.penalised:
            self.processors.append(RepetitionPenaltyLogitsProcessor(float(settings.repetition_penalty)))
        if not self.greedy:
            # The order of transformers' own generate.
            if settings.temperature != 1.0:
                self.processors.append(TemperatureLogitsWarper(float(settings.temperature)))
            if settings.top_k:
                self.processors.append(TopKLogitsWarper(settings.top_k))
            if settings.top_p < 1.0:
                self.processors.append(TopPLogitsWarper(float(settings.top_p)))
            if settings.min_p > 0.0:
                self.processors.append(MinPLogitsWarper(float(settings.min_p)))
        self._noise: dict[int, torch.Tensor] = {}

    def scores(self, logits: torch.Tensor, prefix: Sequence[int]) -> torch.Tensor:
        """The processed log-scores `[vocabulary]` (not normalised) of one row, in float32.

        Args:
            logits: `[vocabulary]`.
            prefix: every token id before the one to be drawn.
        """
        scores = logits.float()
        if not self.processors:
            return scores
        ids = [list(prefix)] if self.penalised else [[0]]
        return self.processors(torch.tensor(ids, device=logits.device), scores[None].clone())[0]

    def draw(self, scores: torch.Tensor, position: int) -> int:
        """The token at `position` for processed scores `[vocabulary]`."""
        if self.greedy:
            return int(scores.argmax())
        noise = self.noise(position, scores.shape[-1]).to(scores.device)
        return int((scores.log_softmax(dim=-1) + noise).argmax())

    def noise(self, position: int, vocabulary: int) -> torch.Tensor:
        """Gumbel noise `[vocabulary]` of a position; made on the CPU, so every device draws alike."""
        if position not in self._noise:
            if len(self._noise) > 16:
                self._noise.clear()
            # Hashed, so that neighbouring seeds and positions share nothing.
            digest = hashlib.blake2b(f"{self.settings.seed} {position}".encode(), digest_size=8).digest()
            dice = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
            uniform = torch.rand(vocabulary, generator=dice, dtype=torch.float64).clamp_(min=1e-300)
            self._noise[position] = -(-uniform.log()).log().float()
        return self._noise[position]


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
