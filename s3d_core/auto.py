"""Auto: what to draft with, how many layers to skip and how much to verify, decided round by round.

Decoding is a stream of rounds, each of which gives tokens and takes time. The best policy for such a
stream takes in every round what has the most tokens above the going rate: expected tokens less the
time it takes, priced at the tokens per millisecond reached lately (renewal-reward; this project's own).
The options are plain decoding; the lookup tree, whose path probabilities say exactly what it is worth;
and S3D at several skip counts, judged by what its drafts brought lately. A drafted tree is then cut to
the nodes that are worth their rows.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from s3d_core.cache import Cache
from s3d_core.costs import Costs
from s3d_core.decode import verify
from s3d_core.draft import State, Verdicts
from s3d_core.grown import Grown
from s3d_core.lookup import Lookup
from s3d_core.s3d import S3D
from s3d_core.sampling import most_likely
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings
from s3d_core.target import Target
from s3d_core.tree import Tree

_WIDEST = 32
# On packed processors a product costs a step more behind 9 and 17 rows.
_ROWS = (1, 9, 17, 33, 4, 10, 2, 18)
_BUDGET_S = 3.0


class Reliability:
    """How many tokens are accepted for each that path probabilities promised, lately; 1 when nothing is known."""

    def __init__(self):
        self._promised = self._accepted = 7.0

    @property
    def factor(self) -> float:
        """To multiply promises with."""
        return min(1.5, (1 + self._accepted) / (1 + self._promised))

    def saw(self, tree: Tree, emitted: list[int]) -> None:
        """Count a round in, in which `tree` was verified, or another one and it might have been."""
        # What would have followed the emitted tokens is not known.
        promised = sum(math.exp(s) for s, d in zip(tree.scores, tree.depths, strict=True) if d <= len(emitted))
        children, node, accepted = tree.children(), 0, 0
        for token in emitted:
            if (node, token) not in children:
                break
            node = children[node, token]
            accepted += 1
        self._promised += promised - 0.03 * self._promised
        self._accepted += accepted - 0.03 * self._accepted


class Rate:
    """Tokens per millisecond, lately; at first that of plain decoding.

    Args:
        step_ms: milliseconds of a plain step.
    """

    def __init__(self, step_ms: float):
        self._tokens, self._ms = 20.0, 20.0 * step_ms

    @property
    def now(self) -> float:
        """The going rate: what a millisecond is worth in tokens."""
        return self._tokens / self._ms

    def saw(self, tokens: int, ms: float) -> None:
        """Count a round in."""
        self._tokens += tokens - 0.05 * self._tokens
        self._ms += ms - 0.05 * self._ms


class Trend:
    """A running straight line through (x, y) that forgets slowly: what y to expect at an x.

    Until pairs are seen it is `y` at any x; its slope starts at `slope`.
    """

    def __init__(self, y: float, slope: float, rate: float = 0.06):
        self._rate, self._slope = rate, slope
        self._x, self._y, self._seen = 0.0, y, 0
        self._xx, self._xy = 1.0, slope

    def saw(self, x: float, y: float) -> None:
        """Count a pair in."""
        self._seen += 1
        if self._seen == 1:
            self._x = x
        dx, dy = x - self._x, y - self._y
        self._x += self._rate * dx
        self._y += self._rate * dy
        self._xx += self._rate * (dx * dx - self._xx + 1.0)
        self._xy += self._rate * (dx * dy - self._xy + self._slope)

    def at(self, x: float) -> float:
        """What to expect, never below 0."""
        slope = min(1.0, max(0.0, self._xy / self._xx))
        return max(0.0, self._y + (slope * (x - self._x) if self._seen else 0.0))


@dataclass
class _Chosen:
    """A round under way.

    Attributes:
        strategy, skipped: what drafts.
        copy: the lookup tree, verified or not.
        copied: tokens expected of it.
        began, drafted: when the round began, and when its draft was there.
        is_grown: the draft was never there before it was verified.
    """

    strategy: str
    skipped: int
    copy: Tree
    copied: float
    began: float
    drafted: float = 0.0
    is_grown: bool = False


class Auto:
    """The strategy that chooses.

    Args:
        lookup, s3d: what it chooses from, sharing one recall; s3d is None without an adapter.
        card: the adapter's; `accepted_by_skipped` says how many drafted tokens were accepted a round
            on held-out chats, by skipped layers.
    """

    def __init__(self, target: Target, lookup: Lookup, s3d: S3D | None, card: Mapping | None):
        self._target, self._lookup, self._s3d = target, lookup, s3d
        self._gains = _gains(card or {}) if s3d else {}
        self.costs = Costs()
        self.rate: Rate | None = None
        self._known = {"lookup": Reliability(), "s3d": Reliability()}
        self._brings = Trend(max(self._gains.values(), default=0.0), slope=0.5)
        self._text: list[int] | None = None
        self._unused, self._patience = 0, 48
        self._rows = 9.0
        self._chosen: _Chosen | None = None

    @torch.inference_mode()
    def measure(self, cache: Cache, budget_s: float = _BUDGET_S) -> None:
        """Time the shapes there are to choose from, in the scratch slots behind `cache`'s tokens."""
        ends = time.perf_counter() + budget_s
        ids = [*cache.ids, 0]
        for place, rows in enumerate(_ROWS):
            if place > 1 and time.perf_counter() > ends:
                break
            self.costs.measure_verify(rows, partial(self._verify, cache, Tree.chain([0] * (rows - 1))))
            if place == 1 and self._s3d:
                counts = sorted(self._gains)
                for skipped in dict.fromkeys((counts[len(counts) // 2], counts[0], counts[-1])):
                    settings = DraftSettings("s3d", skipped, MAX_DRAFT_LENGTH, tree_size=8)
                    state = State(ids, cache, settings, MAX_DRAFT_LENGTH)
                    self.costs.measure_draft(skipped, partial(self._draft, state))
                    if time.perf_counter() > ends:
                        break

    def _verify(self, cache: Cache, tree: Tree) -> list[int]:
        return most_likely(verify(self._target, cache, 0, tree))

    def _draft(self, state: State) -> None:
        tree = self._s3d.propose(state) if self._s3d else Tree()
        if isinstance(tree, Grown):
            tree.packed().cpu()  # a device has to be waited for

    def propose(self, state: State) -> Tree | Grown:
        if not self.costs.known:
            self.measure(state.cache)
        began = time.perf_counter()
        wished = state.settings
        if state.ids is not self._text:
            self._text, self._unused, self._patience = state.ids, 0, 48
        costs = self.costs.verify(_WIDEST + 1)
        self.rate = self.rate or Rate(float(costs[1]))
        price = self.rate.now
        # What a row takes at least, in tokens: less probable candidates are not worth looking at.
        least = min(0.5, 0.9 * price * max(0.0, float(costs[9] - costs[1])) / 8)
        search = replace(wished, draft_length=MAX_DRAFT_LENGTH, tree_size=_WIDEST, least_probability=least)

        state.settings = replace(search, strategy="lookup")
        tree, copied, worth = self._cut(self._lookup.propose(state), "lookup", price, costs)
        chosen = _Chosen("lookup" if tree.tokens else "plain", wished.skipped, tree, copied, began)
        skipped = self._skip_worth_more(worth, copied, price, costs)
        if skipped is not None and self._s3d:
            state.settings = replace(search, strategy="s3d", skipped=skipped)
            if self._target.steps is not None:
                # A tree that grows on the device is verified as it is: the host does not see it before.
                state.settings = replace(state.settings, tree_size=wished.tree_size)
            chosen.strategy, chosen.skipped = "s3d", skipped
            grown = self._s3d.propose(state)
            if isinstance(grown, Grown):
                self._chosen, chosen.is_grown = chosen, True
                return grown
            tree, _, _ = self._cut(grown, "s3d", price, costs)
        state.settings = replace(
            wished,
            strategy=chosen.strategy,
            skipped=chosen.skipped,
            draft_length=max(1, tree.depth),
            tree_size=max(1, len(tree)),
        )
        chosen.drafted = time.perf_counter()
        self._chosen = chosen
        return tree

    def _cut(self, tree: Tree, name: str, price: float, costs: np.ndarray) -> tuple[Tree, float, float]:
        """The nodes of a tree that are worth their rows, the tokens expected of them, and their worth."""
        likely = np.exp(np.array(tree.scores)) * self._known[name].factor
        expected = np.concatenate([[0.0], np.cumsum(likely)])
        worth = 1 + expected - price * costs[1 : len(tree) + 2]
        best = int(worth.argmax())
        return tree.first(best), float(expected[best]), float(worth[best])

    def _skip_worth_more(self, worth: float, copied: float, price: float, costs: np.ndarray) -> int | None:
        """The skip count with which S3D beats what is at hand; None if none does and it is not time for a trial."""
        if not self._gains:
            return None
        brings, most = self._brings.at(copied), max(self._gains.values())
        passes = float(np.interp(self._rows, np.arange(len(costs)), costs))

        def value(skipped: int) -> float:
            return 1 + brings * self._gains[skipped] / most - price * (self.costs.draft(skipped) + passes)

        best = max(self._gains, key=value)
        if value(best) > worth or self._unused >= self._patience:
            return best
        return None

    def learn(self, tree: Tree, verdicts: Verdicts, emitted: list[int]) -> None:
        chosen, rate = self._chosen, self.rate
        assert chosen is not None
        assert rate is not None
        used = self._s3d if chosen.strategy == "s3d" and self._s3d else self._lookup
        used.learn(tree, verdicts, emitted)
        accepted = len(emitted) - 1
        ended = time.perf_counter()
        whole, passed = 1000 * (ended - chosen.began), 1000 * (ended - chosen.drafted)
        if chosen.is_grown:
            self.costs.saw_round(chosen.skipped, len(tree) + 1, whole)
        else:
            self.costs.saw_verify(len(tree) + 1, passed)
        rate.saw(len(emitted), whole)
        self._known["lookup"].saw(chosen.copy, emitted)
        if chosen.strategy == "s3d":
            self._known["s3d"].saw(tree, emitted)
            if not chosen.is_grown:
                self.costs.saw_draft(chosen.skipped, whole - passed)
            # All skip counts are judged together: what one brought says what the others would have.
            most = max(self._gains.values())
            self._brings.saw(chosen.copied, accepted * most / self._gains[chosen.skipped])
            self._rows += 0.1 * (len(tree) + 1 - self._rows)
            if self._unused >= self._patience:
                self._patience = min(192, 2 * self._patience)
            self._unused = 0
        else:
            self._unused += 1


def _gains(card: Mapping) -> dict[int, float]:
    """Accepted tokens a round by skipped layers, from an adapter's card; one usual count where it says nothing."""
    measured = {int(k): float(v) for k, v in card.get("accepted_by_skipped", {}).items() if float(v) > 0}
    return measured or {int(card.get("defaults", {}).get("skipped", 1)): 1.5}
