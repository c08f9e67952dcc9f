"""Where S3D's trees grow on a device: the draft pass and its search as one recorded step."""

import math

import torch

from s3d_core.adapter import Adapter
from s3d_core.candidates import NOISE, SCALE
from s3d_core.coherence import Coherence
from s3d_core.device_noise import gumbel, keys
from s3d_core.draft import State
from s3d_core.draft_head import DraftHead
from s3d_core.graphs import Function, Tensors
from s3d_core.grown import Grown, grow
from s3d_core.recall import LONGEST, Recall
from s3d_core.recall_table import RecallTable
from s3d_core.steps import Rope
from s3d_core.target import Target
from s3d_core.transfer import send

# Tokens per slot among which paths are searched; 16 hold nearly all that a tree of 64 can use.
TOP_K = 16
# Where tokens are sampled, they are chosen from so many times as many.
WIDER = 4
# Numbers of a round that the device is told: current token, start, rows of the head, context, floor, temperature.
_TOLD = 3 + LONGEST + 2


class Garden:
    """Grows one adapter's trees without a word to the host in between."""

    def __init__(self, target: Target, adapter: Adapter, head: DraftHead, coherence: Coherence, recall: Recall):
        self._target, self._adapter, self._head, self._coherence = target, adapter, head, coherence
        self._weights = adapter.calibration.float().to(target.device)
        self._table = RecallTable(recall, target.device)
        slots = adapter.slots
        self._causal = torch.ones(slots, slots, dtype=torch.bool, device=target.device).tril()
        self._offsets = torch.arange(slots, device=target.device)
        # Stands for this adapter in recordings.
        self._name = object()

    @property
    def bytes(self) -> int:
        """Memory beyond the adapter's own, in bytes."""
        return self._table.bytes

    def grow(self, state: State, kept: tuple[int, ...], slots: int) -> Grown:
        """The tree that `S3D.propose` would find on the host, of `draft_length` levels."""
        target, settings, cache, steps = self._target, state.settings, state.cache, self._target.steps
        assert steps is not None
        noise, length, size, start = state.noise, settings.draft_length, settings.tree_size, len(cache)
        used = self._head.follow(state.ids)
        self._table.update()
        context = [-1] * LONGEST + state.ids[-LONGEST:]
        floor = math.log(settings.least_probability) if settings.least_probability else -math.inf
        real = torch.tensor([floor, noise.temperature if noise else 0.0], dtype=torch.float64).view(torch.int64)
        told = [torch.tensor([state.ids[-1], start, used, *context[-LONGEST:]]), real]
        if noise:
            told.append(keys(noise.seed, noise.start, length))
        is_sampled = noise is not None

        def function(span: int, rope: Rope) -> Function:
            def run(told: torch.Tensor) -> Tensors:
                current, start, used, context = told[:1], told[1], told[2], told[3 : 3 + LONGEST]
                floor, temperature = told[3 + LONGEST : _TOLD].view(torch.float64)
                x = torch.cat([target.embed(current), self._adapter.masks[: slots - 1]])
                positions, visible = self._offsets[:slots] + start, self._causal[:slots, :slots]
                x = steps.run(x, positions, start, cache, visible, span, rope, kept, self._adapter.updates)
                count = TOP_K * (WIDER if is_sampled else 1)
                logits, tokens = self._head.best_of(x, self._adapter.norm, count, used)
                noise_keys = told[_TOLD:] if is_sampled else None
                if noise_keys is not None:
                    logits, tokens = self._favoured(logits, tokens, noise_keys, temperature)
                pairs = self._coherence.pairs_there(target.normed(x, self._adapter.norm), tokens)
                weights = torch.cat([self._weights[:slots], self._weights[-1:]])
                tree = grow(
                    logits, tokens, pairs, self._table, context, weights, size, length, floor, noise_keys, temperature
                )
                return tree.tokens, tree.parents, tree.depths, tree.scores, tree.visible

            return run

        key = (self._name, kept, slots, length, size, is_sampled)
        sent = send(torch.cat(told), target.device)
        tokens, parents, depths, scores, visible = steps.recorded(
            key, cache, start + slots, start + slots - 1, function, sent
        )
        return Grown(tokens, parents, depths, scores, visible, length)

    def _favoured(self, logits, tokens, noise_keys, temperature):
        """As `S3D._favoured`."""
        slots = tokens.shape[0]
        noise = (temperature * gumbel(noise_keys[:slots, None], tokens)).float()
        scores = self._weights[:slots, SCALE, None] * logits + self._weights[:slots, NOISE, None] * noise
        chosen = scores.topk(min(TOP_K, scores.shape[1]), dim=1).indices.sort(dim=1).values
        return logits.gather(1, chosen), tokens.gather(1, chosen)
