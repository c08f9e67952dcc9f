"""Drafting strategies behind one seam: `propose` candidates for a state, `learn` from the outcome.

Whatever is proposed, the verify pass decides; a strategy can make a reply slower, never different.
Here are the seam itself and the two strategies that remember nothing.
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from s3d_core.cache import Cache
from s3d_core.noise import Noise
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.tree import Tree


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

    def propose(self, state: State) -> Tree:
        """Candidates for the tokens after the current one; empty means plain decoding."""

    def learn(self, tree: Tree, logits: torch.Tensor, emitted: list[int]) -> None:
        """What became of the last proposal.

        Args:
            tree: the proposal.
            logits: the verify pass's, `[1 + nodes, vocabulary]`.
            emitted: the round's tokens, at least one.
        """


class Plain:
    """No drafts: one full pass a token."""

    def propose(self, state: State) -> Tree:
        return Tree()

    def learn(self, tree: Tree, logits: torch.Tensor, emitted: list[int]) -> None:
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

    def learn(self, tree: Tree, logits: torch.Tensor, emitted: list[int]) -> None:
        pass
