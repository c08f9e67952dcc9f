"""Drafting strategies behind one seam: `propose` candidates for a state, `learn` from the outcome.

Whatever is proposed, the verify pass decides; a strategy can make a reply slower, never different.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from s3d_core.adapter import Adapter
from s3d_core.cache import Cache
from s3d_core.candidates import NOISE, SCALE, Candidates
from s3d_core.coherence import Coherence
from s3d_core.draft_head import DraftHead
from s3d_core.recall import LONGEST, Recall
from s3d_core.sampling import Noise, most_likely
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.tree import Tree, best_first

# Tokens per slot among which paths are searched; 16 hold nearly all that a tree of 64 can use.
_TOP_K = 16


@dataclass
class State:
    """What a strategy sees at the start of a round.

    Attributes:
        ids: every token so far; the last one is the current token, whose K/V are not cached yet.
        cache: K/V of all tokens before the current one; slots behind them are scratch.
        settings: this round's settings.
        most: tokens worth drafting at most, at least 1 (room left in the context and the reply).
        noise: what is known of the draws to come, for sampling.
    """

    ids: list[int]
    cache: Cache
    settings: DraftSettings
    most: int
    noise: Noise | None = None


class Strategy(Protocol):
    """The seam between drafting and the loop."""

    def propose(self, state: State) -> Tree:
        """Candidates for the tokens after the current one; empty means plain decoding."""

    def learn(self, emitted: list[int], logits: torch.Tensor) -> None:
        """What became of the last proposal.

        Args:
            emitted: the round's tokens.
            logits: the verify pass's, `[1 + nodes, vocabulary]`.
        """


class Plain:
    """No drafts: one full pass a token."""

    def propose(self, state: State) -> Tree:
        return Tree()

    def learn(self, emitted: list[int], logits: torch.Tensor) -> None:
        pass


class Lookup:
    """The continuation of the newest n-gram's last occurrence (prompt lookup decoding)."""

    longest = 3

    def propose(self, state: State) -> Tree:
        return Tree.chain(self.find(state.ids, min(state.settings.draft_length, state.most)))

    def find(self, ids: list[int], length: int) -> list[int]:
        """Up to `length` tokens that followed the last earlier occurrence of the newest n-gram, of 3 or fewer."""
        for n in range(min(self.longest, len(ids) - 1), 0, -1):
            gram = ids[-n:]
            for start in range(len(ids) - n - 1, -1, -1):
                if ids[start : start + n] == gram:
                    return ids[start + n : start + n + length]
        return []

    def learn(self, emitted: list[int], logits: torch.Tensor) -> None:
        pass


class SkipDraft:
    """The kept layers draft token by token (Draft & Verify, arXiv:2309.08168); needs no adapter."""

    def __init__(self, target: Target):
        self._target = target
        self._one = torch.ones(1, 1, dtype=torch.bool, device=target.device)

    def propose(self, state: State) -> Tree:
        target, settings = self._target, state.settings
        kept = target.kept_layers(settings.skipped)
        n = len(state.cache)
        token = torch.tensor(state.ids[-1:], device=target.device)
        drafted = []
        for step in range(min(settings.draft_length, state.most)):
            at = torch.tensor([n + step], device=target.device)
            x = target.cached_pass(target.embed(token), at, n + step, state.cache, self._one, kept, start=n + step)
            token = target.logits(x).argmax(dim=-1)
            drafted.append(token)
        return Tree.chain(torch.cat(drafted).tolist())

    def learn(self, emitted: list[int], logits: torch.Tensor) -> None:
        pass


class S3D:
    """Mid-layer skipping and simultaneous multi-token drafting (S3D, arXiv:2405.20314).

    One pass over the kept layers, adapter on, for `[x_n, m_1 ... m_(g-1)]` gives the marginals of
    the next g tokens; the coherence term and what is recalled of the text join them into a tree,
    which goes on behind the slots where recalled. While copying what was said before has gone very
    well lately, the copy is all that is verified and the draft pass is saved (this project's additions).

    Attributes:
        watch: called with each draft pass's candidates, for calibration.
    """

    copy_gram = 2
    # Tokens that a copy must lately have been right for, on average, to be all that is verified.
    copy_is_enough = 1.0

    def __init__(self, target: Target, adapter: Adapter):
        self._target, self._adapter = target, adapter
        slots = adapter.slots
        target.prepare(adapter.updates, slots)
        self._causal = torch.ones(slots, slots, dtype=torch.bool, device=target.device).tril()
        self._offsets = torch.arange(slots, device=target.device)
        self._calibration = adapter.calibration.float().cpu().numpy()
        self.head = DraftHead(target, adapter.vocabulary)
        self.coherence = Coherence(target, adapter)
        self.recall = Recall()
        self.watch: Callable[[Candidates], None] | None = None
        self._context: tuple[int, ...] = ()
        self._tree = Tree()
        self._copy: list[int] = []
        self._copied = 0.0

    def propose(self, state: State) -> Tree:
        target, adapter, settings = self._target, self._adapter, state.settings
        length = min(settings.draft_length, state.most)
        if self.recall.follow(state.ids):
            self._copied = 0.0
        self._context = tuple(state.ids[-LONGEST:])
        longest = length if settings.tree_size == 1 else min(length, settings.tree_size)
        self._copy = self.recall.copy(self._context, longest, self.copy_gram)
        if self._copy and self._copied >= self.copy_is_enough:
            self._tree = Tree.chain(self._copy)
            return self._tree
        slots = min(length, adapter.slots)
        kept = target.kept_layers(settings.skipped)
        n = len(state.cache)
        current = torch.tensor(state.ids[-1:], device=target.device)
        x = torch.cat([target.embed(current), adapter.masks[: slots - 1]])
        positions = self._offsets[:slots] + n
        visible = self._causal[:slots, :slots]
        x = target.cached_pass(x, positions, n + slots - 1, state.cache, visible, kept, adapter.updates)
        best, choices = self.head.best(x, adapter.norm, _TOP_K * (4 if state.noise else 1), state.ids)
        logits, tokens = best.cpu().numpy(), choices.cpu().numpy()
        if state.noise:
            logits, tokens = self._favoured(logits, tokens, state.noise)
        pairs = self.coherence.pairs(target.normed(x, adapter.norm), tokens)
        found = Candidates(logits, tokens, pairs, self.recall, self._context, self._calibration, state.noise)
        if self.watch:
            self.watch(found)
        self._tree = best_first(found.after, settings.tree_size, length, settings.least_probability)
        return self._tree

    def _favoured(self, logits: np.ndarray, tokens: np.ndarray, noise: Noise) -> tuple[np.ndarray, np.ndarray]:
        """Of each slot's best tokens those that the noise favours, best logits first."""
        scores = logits.copy()
        for slot, row in enumerate(tokens):
            weights = self._calibration[slot]
            scores[slot] = weights[SCALE] * logits[slot] + weights[NOISE] * noise(slot, row)
        chosen = np.sort(np.argsort(-scores, axis=1)[:, :_TOP_K], axis=1)
        return np.take_along_axis(logits, chosen, 1), np.take_along_axis(tokens, chosen, 1)

    def learn(self, emitted: list[int], logits: torch.Tensor) -> None:
        """Remember the target's verdicts, and how far a copy would have been right, tried or not."""
        contexts = [self._context]
        for token, parent in zip(self._tree.tokens, self._tree.parents, strict=True):
            contexts.append((*contexts[parent], token)[-LONGEST:])
        self.recall.learn(contexts, most_likely(logits))
        if self._copy:
            right = next((i for i, (a, b) in enumerate(zip(self._copy, emitted, strict=False)) if a != b), None)
            right = min(len(self._copy), len(emitted)) if right is None else right
            self._copied += 0.2 * (right - self._copied)


def strategies(target: Target, adapter: Adapter | None) -> dict[str, Strategy]:
    """Every strategy that can run on this model, by its name in `DraftSettings`."""
    known: dict[str, Strategy] = {"plain": Plain(), "lookup": Lookup(), "skip": SkipDraft(target)}
    if adapter is not None:
        known["s3d"] = S3D(target, adapter)
    return known
