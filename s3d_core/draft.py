"""Drafting strategies behind one seam: `propose` candidates for a state, `learn` from the outcome.

Whatever is proposed, the verify pass decides; a strategy can make a reply slower, never different.
Here are the seam itself and the two strategies that remember nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from s3d_core.cache import Cache
from s3d_core.grown import Grown
from s3d_core.noise import Noise
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.transfer import send
from s3d_core.tree import Tree

# What the target found most likely behind the current token and each node, worked out when asked for.
Verdicts = Callable[[], list[int]]


@dataclass
class State:
    """What a strategy sees at the start of a round.

    Attributes:
        ids: every token so far; the last one is the current token, whose K/V are not cached yet.
        cache: K/V of all tokens before the current one; slots behind them are scratch.
        settings: this round's settings; a strategy that chooses for itself puts its choice here.
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

    def propose(self, state: State) -> Tree | Grown:
        """Candidates for the tokens after the current one; empty means plain decoding."""

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        """What became of the last proposal.

        Args:
            tree: the proposal.
            verdicts: of the verify pass, `1 + nodes` token ids.
            emitted: the round's tokens, at least one.
        """


class Plain:
    """No drafts: one full pass a token."""

    def propose(self, state: State) -> Tree:
        return Tree()

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        pass


class SkipDraft:
    """The kept layers draft token by token (Draft & Verify, arXiv:2309.08168); needs no adapter."""

    def __init__(self, target: Target):
        self._target = target
        self._one = torch.ones(1, 1, dtype=torch.bool, device=target.device)

    def propose(self, state: State) -> Tree | Grown:
        target, settings = self._target, state.settings
        kept = target.kept_layers(settings.skipped)
        n = len(state.cache)
        token = send(state.ids[-1:], target.device)
        drafted = []
        for step in range(min(settings.draft_length, state.most)):
            at = torch.full((1,), n + step, device=target.device)
            token = target.step(token, at, n + step, state.cache, self._one, kept, n + step).argmax(dim=-1)
            drafted.append(token)
        # Where passes are recorded, the host has no need to know them yet.
        found = torch.cat(drafted)
        return Tree.chain(found.tolist()) if target.steps is None else Grown.chain(found)

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        pass
