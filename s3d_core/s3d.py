"""The strategy this program is named after: skip the middle layers and draft several tokens in one pass."""

from collections.abc import Callable

import numpy as np
import torch

from s3d_core.adapter import Adapter
from s3d_core.candidates import NOISE, SCALE, Candidates
from s3d_core.coherence import Coherence
from s3d_core.draft import State, Verdicts
from s3d_core.draft_head import DraftHead
from s3d_core.garden import TOP_K, WIDER, Garden
from s3d_core.grown import Grown
from s3d_core.noise import Noise
from s3d_core.recall import LONGEST, Recall
from s3d_core.target import Target
from s3d_core.transfer import send
from s3d_core.tree import Tree, best_first

# Of the model's bytes, what drafting may hold by this program's own choice, counted: a process holds a hundredth more,
# of whole pages and compiled code, and a tenth is to be the most. Who skips fewer layers has it hold more.
_SHARE = 0.088


class S3D:
    """Mid-layer skipping and simultaneous multi-token drafting (S3D, arXiv:2405.20314).

    One pass over the kept layers, adapter on, for `[x_n, m_1 ... m_(g-1)]` gives the marginals of
    the next g tokens; the coherence term and what is recalled of the text join them into a tree,
    which goes on behind the slots where recalled (this project's additions).

    Attributes:
        watch: called with each draft pass's candidates, for calibration.
    """

    def __init__(self, target: Target, adapter: Adapter, recall: Recall):
        self._target, self._adapter = target, adapter
        slots = adapter.slots
        target.prepare(adapter.drafting, slots)
        self._causal = torch.ones(slots, slots, dtype=torch.bool, device=target.device).tril()
        self._offsets = torch.arange(slots, device=target.device)
        self._calibration = adapter.calibration.float().cpu().numpy()
        self.head = DraftHead(target, adapter.vocabulary, adapter.room)
        self.coherence = Coherence(target, adapter)
        self._recall = recall
        self.watch: Callable[[Candidates], None] | None = None
        self._context: tuple[int, ...] = ()
        self._garden = None if target.steps is None else Garden(target, adapter, self.head, self.coherence, recall)

    @property
    def memory(self) -> dict[str, int]:
        """Bytes that drafting holds beyond the model, by what they are for; what is recalled grows with the text."""
        held = {"adapter": self._adapter.bytes, "draft head": self.head.bytes, "coherence": self.coherence.bytes}
        held["recalled"] = self._recall.bytes
        if self._garden:
            held["tables on the device"] = self._garden.bytes
        return held

    @property
    def has_copies(self) -> bool:
        """Whether the layers of the draft pass are copies (see `merged`)."""
        return self._adapter.merged is not None

    def prepare(self, skipped: int) -> None:
        """Make now what the first draft at so many skipped layers would have to wait for."""
        if self._adapter.merged:
            for i in self._target.kept_layers(skipped):
                self._adapter.merged.layer(i)

    def affords(self, skipped: int) -> bool:
        """Whether drafting at so many skipped layers holds no more than its share of the model's memory."""
        copies = self._adapter.merged
        if copies is None:
            return True
        rest = sum(self.memory.values()) - copies.bytes
        return rest + sum(map(copies.bytes_read, self._target.kept_layers(skipped))) <= _SHARE * self._target.bytes

    def propose(self, state: State) -> Tree | Grown:
        target, adapter, settings = self._target, self._adapter, state.settings
        length = min(settings.draft_length, state.most)
        self._recall.follow(state.ids)
        self._context = tuple(state.ids[-LONGEST:])
        slots = min(length, adapter.slots)
        kept = target.kept_layers(settings.skipped)
        # The relaxed rule and calibration look at more than the tree, and the last tokens of a reply come but once.
        if self._garden and settings.exactness == 1 and self.watch is None and length == settings.draft_length:
            return self._garden.grow(state, kept, slots)
        n = len(state.cache)
        current = send(state.ids[-1:], target.device)
        x = torch.cat([target.embed(current), adapter.masks[: slots - 1]])
        positions = self._offsets[:slots] + n
        visible = self._causal[:slots, :slots]
        x = target.cached_pass(x, positions, n + slots - 1, state.cache, visible, kept, adapter.drafting)
        best, choices = self.head.best(x, adapter.norm, TOP_K * (WIDER if state.noise else 1), state.ids)
        logits, tokens = best.cpu().numpy(), choices.cpu().numpy()
        if state.noise:
            logits, tokens = self._favoured(logits, tokens, state.noise)
        pairs = self.coherence.pairs(x, tokens)
        found = Candidates(logits, tokens, pairs, self._recall, self._context, self._calibration, state.noise)
        if self.watch:
            self.watch(found)
        return best_first(found.after, settings.tree_size, length, settings.least_probability)

    def _favoured(self, logits: np.ndarray, tokens: np.ndarray, noise: Noise) -> tuple[np.ndarray, np.ndarray]:
        """Of each slot's best tokens those that the noise favours, best logits first."""
        scores = logits.copy()
        for slot, row in enumerate(tokens):
            weights = self._calibration[slot]
            scores[slot] = weights[SCALE] * logits[slot] + weights[NOISE] * noise(slot, row)
        chosen = np.sort(np.argsort(-scores, axis=1)[:, :TOP_K], axis=1)
        return np.take_along_axis(logits, chosen, 1), np.take_along_axis(tokens, chosen, 1)

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        self._recall.learn(self._context, tree, verdicts())
