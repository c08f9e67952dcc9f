"""Auto's decisions, without a model or a clock: what to draft with and how much to verify.

Decoding is a stream of rounds, each of which gives tokens and takes time. The best policy for such a
stream takes in every round what has the most tokens above the going rate: expected tokens less the
time it takes, priced at the tokens per millisecond reached lately (renewal-reward; this project's own),
but at no more than can be reached where nothing is copied, or by what is copied here: tokens that are
hard to guess come together, and so do those that are copied. The options are plain decoding; the lookup
tree, whose path probabilities say exactly what it is worth; and S3D at several skip counts, judged by
what its drafts brought lately. A drafted tree is then cut to the nodes that are worth their rows. What
drafts would bring while none are made is not known, so one is tried whenever a small share of what was
written since pays for the try.
"""

import math
from collections.abc import Mapping

from s3d_core.costs import Costs
from s3d_core.tree import Tree

WIDEST = 32
# Of the tokens written, this share may be lost by trying drafts, and so many tokens with every text.
_TRYING, _FIRST_TRY = 0.01, 0.6
# For so many rounds at most nothing is weighed where plain decoding is far ahead.
_LONGEST_REST = 16
# Rows of a usual tree's pass, and the fewest that are judged by: fewer bring less than drafts do, and timing
# knows little of them.
_USUAL_ROWS, _FEWEST_ROWS = 9, 5
# Tokens that a row brings to rounds to come: also where it is not accepted, it says what the model would have gone on
# with there, and that is remembered.
_TEACHES = 0.015
# What is drafted over the rows that were verified lately.
_WIDER = 1.5
# How many pairs an old line weighs as much as, and what is usual at most: texts differ by less than half of what
# rounds do.
_LITTLE, _USUAL = 2.0, 9.0
# How slowly what is usual changes in the end.
_SLOWLY = 0.01
# What trees as narrow as here bring on prompts of others, over what the card promises: 1.3 to 1.4 tokens of 2.4.
_PROMISED = 0.6


class Reliability:
    """How many tokens are accepted for each that path probabilities promised, lately; 1 when nothing is known."""

    def __init__(self):
        self._promised = self._accepted = 3.0

    @property
    def factor(self) -> float:
        """To multiply promises with."""
        return min(2.0, (1 + self._accepted) / (1 + self._promised))

    def saw(self, tree: Tree, emitted: list[int]) -> None:
        """Count a round in, in which `tree` was verified, or another one and it might have been."""
        chances = [1.0, *map(math.exp, tree.scores)]
        children, path = tree.children(), [0]
        for token in emitted:
            if (path[-1], token) not in children:
                break
            path.append(children[path[-1], token])
        promised, accepted = sum(chances) - 1, len(path) - 1.0
        if accepted == len(emitted) and chances[path[-1]] > 0:
            # What would have followed is not known, but promised.
            below = {path[-1]: chances[path[-1]]}
            for node, parent in enumerate(tree.parents, 1):
                if parent in below:
                    below[node] = chances[node]
            accepted += sum(below.values()) / chances[path[-1]] - 1
        self._promised += promised - 0.03 * self._promised
        self._accepted += accepted - 0.03 * self._accepted


class Rate:
    """Tokens per usual millisecond, lately; at first that of plain decoding.

    Args:
        step_ms: usual milliseconds of a plain step.
    """

    def __init__(self, step_ms: float):
        self._tokens, self._ms = 20.0, 20.0 * step_ms

    @property
    def now(self) -> float:
        """The going rate: what a usual millisecond is worth in tokens."""
        return self._tokens / self._ms

    def saw(self, tokens: int, ms: float) -> None:
        """Count a round in."""
        self._tokens += tokens - 0.05 * self._tokens
        self._ms += ms - 0.05 * self._ms


class Trend:
    """A running straight line through (x, y) that forgets slowly: what y to expect at an x in this text.

    A text is begun with what is usual: a few bad rounds at the end of the last one say little of it. Until pairs are
    seen that is `y` at any x; the slope starts at `slope`. What has not been looked at for a while is known less well,
    so the next pairs count more.
    """

    def __init__(self, y: float, slope: float, rate: float = 0.06):
        self._rate, self._slope = rate, slope
        self._x, self._y, self._seen = 0.0, y, 0
        self._usual_x, self._usual_y = 0.0, y
        self._xx, self._xy = 1.0, slope
        self._known = _LITTLE

    def begin(self) -> None:
        """Another text is looked at."""
        self._x, self._y, self._known = self._usual_x, self._usual_y, min(self._known, _USUAL)

    def saw(self, x: float, y: float) -> None:
        """Count a pair in."""
        self._seen += 1
        if self._seen == 1:
            self._x = self._usual_x = x
        slowly = max(_SLOWLY, 1 / (_LITTLE + self._seen))
        self._usual_x += slowly * (x - self._usual_x)
        self._usual_y += slowly * (y - self._usual_y)
        rate = max(self._rate, 1 / (1 + self._known))
        self._known += 1
        dx, dy = x - self._x, y - self._y
        self._x += rate * dx
        self._y += rate * dy
        self._xx += self._rate * (dx * dx - self._xx + 1.0)
        self._xy += self._rate * (dx * dy - self._xy + self._slope)

    def missed(self) -> None:
        """A round went by without a pair."""
        self._known += 0.02 * (_LITTLE - self._known)

    def at(self, x: float) -> float:
        """What to expect, never below 0."""
        slope = min(1.0, max(0.0, self._xy / self._xx))
        # Seen beside long copies alone, the line says little of what comes without any.
        return max(0.0, self._y + (slope * max(-1.0, x - self._x) if self._seen else 0.0))


class Policy:
    """Decides a round in three steps: `weigh` the copied tree, `cut` the drafted one, see what came of it.

    Args:
        gains: accepted tokens a round by skipped layers, as an adapter's card has it; empty without one.
        costs: what passes cost.
    """

    def __init__(self, gains: Mapping[int, float], costs: Costs):
        self.gains, self.costs = dict(gains), costs
        self.rate: Rate | None = None
        self._most = max(self.gains.values(), default=0.0)
        self._known = {"lookup": Reliability(), "s3d": Reliability()}
        self._brings = Trend(_PROMISED * self._most, slope=0.5)
        self._rows = float(_USUAL_ROWS)
        self._allowance, self._rests = _FIRST_TRY, 0
        self._copy, self._copied = Tree(), 0.0
        self._price = 0.0
        self._passes: list[float] = []

    def begin(self) -> None:
        """Another text is gone on with."""
        self._allowance, self._rests = max(self._allowance, _FIRST_TRY), 0
        self._brings.begin()

    def rests(self) -> bool:
        """Whether a round without anything to copy need not be weighed: no draft can pay for its try yet.

        Between two steps that read all weights, little of Python is left in the processor's caches, and the few
        things that are weighed take as long as a hundredth of a step.
        """
        if self._rests == 0:
            return False
        self._rests -= 1
        self._copy = Tree()
        return True

    def least(self) -> float:
        """The probability below which no candidate is worth its row; the round's prices are fixed here."""
        passes = self._passes = self.costs.passes
        if self.rate is None:
            self.rate = Rate(passes[1])
            # Until drafts are made, trees are thought as wide as rows cost little.
            cheap = [n for n in range(_FEWEST_ROWS, _USUAL_ROWS + 1) if passes[n] <= 1.5 * passes[1]]
            self._rows = float(max(cheap, default=_FEWEST_ROWS))
        self._price = min(self.rate.now, self._rate_here())
        # Where rows are multiplied several at once, the first ones cost less than those in the middle. In between
        # costs are straight.
        row_ms = min((passes[n] - passes[1]) / (n - 1) for n in range(_FEWEST_ROWS, WIDEST + 2, 4))
        return min(0.5, 0.9 * max(0.0, self._price * row_ms - _TEACHES))

    def usual_least(self, skipped: int, size: int) -> float:
        """As `least`, for any round that drafts with so many layers skipped and trees of up to so many nodes.

        Nothing is cut from those trees, so it is what a row costs on average.
        """
        passes, gain = self.costs.passes, self.gains.get(skipped, self._most)
        rate = (1 + gain) / (self.costs.usual_draft(skipped) + passes[size + 1])
        row_ms = (passes[size + 1] - passes[1]) / size
        return min(0.5, max(0.0, max(rate, 1 / passes[1]) * row_ms - _TEACHES))

    def weigh(self, copy: Tree) -> tuple[Tree, int | None]:
        """What of a copied tree is worth verifying, and the skip count at which a draft is better, or None."""
        assert self.rate is not None
        self._copy, self._copied = self._cut(copy, "lookup")
        if not self.gains:
            return self._copy, None
        # Where much is copied, what comes next mostly is, too, and nothing slower is worth its time.
        copied, copied_ms = 1 + self._copied, self._passes[len(self._copy) + 1]
        self._price = max(self._price, min(self.rate.now, copied / copied_ms))
        worth = copied - self._price * copied_ms
        brings, passes = self._brings.at(self._copied) / self._most, self._usual_pass()

        def value(skipped: int) -> float:
            return 1 + brings * self.gains[skipped] - self._price * (self.costs.usual_draft(skipped) + passes)

        best = max(self.gains, key=value)
        loss = worth - value(best)
        if loss < 0:
            return self._copy, best
        # The time it takes, in tokens of the whole text.
        loss *= self.rate.now / self._price
        if loss < self._allowance:
            self._allowance = 0.0
            return self._copy, best
        if not copy.tokens:
            self._rests = min(_LONGEST_REST, int((loss - self._allowance) / _TRYING / 2))
        return self._copy, None

    def _usual_pass(self) -> float:
        """Usual milliseconds of verifying as many rows as lately."""
        below = min(int(self._rows), WIDEST)
        usual, next_one = self._passes[below : below + 2]
        return usual + (self._rows - below) * (next_one - usual)

    def _rate_here(self) -> float:
        """Tokens per usual millisecond where nothing is copied, of plain decoding or drafts, whichever has more.

        Tokens that are hard to draft come one after the other: whoever hurries over one of them by a plain step is
        at the next, and not where it went faster lately.
        """
        brings, passes = self._brings.at(0) / self._most if self.gains else 0.0, self._usual_pass()
        drafts = ((1 + brings * gain) / (self.costs.usual_draft(n) + passes) for n, gain in self.gains.items())
        return max([1 / self._passes[1], *drafts])

    @property
    def widest(self) -> int:
        """Candidates to draft: somewhat more than were worth their rows lately. Each takes time to be found."""
        return min(WIDEST, math.ceil(_WIDER * self._rows))

    def cut(self, drafted: Tree) -> Tree:
        """What of a drafted tree is worth verifying."""
        return self._cut(drafted, "s3d")[0]

    def _cut(self, tree: Tree, name: str) -> tuple[Tree, float]:
        """The nodes that are worth their rows, and the tokens expected of them."""
        # Plain numbers: calls into a library would be most of the time that Auto takes.
        price, passes, factor = self._price, self._passes, self._known[name].factor
        best, expected, most, sum_ = 0, 0.0, 1 - price * passes[1], 0.0
        for number, score in enumerate(tree.scores, 1):
            sum_ += math.exp(score) * factor
            worth = 1 + sum_ - price * passes[number + 1] + _TEACHES * number
            if worth > most:
                best, expected, most = number, sum_, worth
        return tree if best == len(tree) else tree.first(best), expected

    def saw(self, tree: Tree, skipped: int | None, emitted: list[int], draft_ms: float | None, ms: float) -> None:
        """Learn from a round.

        Args:
            tree: what was verified.
            skipped: layers that its draft skipped, None where nothing was drafted.
            emitted: the round's tokens.
            draft_ms: what it took until the tree was there; None where the two passes could not be told apart.
            ms: what it took in all.
        """
        assert self.rate is not None
        if draft_ms is not None:
            self.costs.saw_verify(len(tree) + 1, ms - draft_ms)
        elif skipped is not None:
            self.costs.saw_round(skipped, len(tree) + 1, ms)
        # In usual milliseconds: another program slows what is decided on at once, and what it is priced by no later.
        self.rate.saw(len(emitted), ms / self.costs.pace)
        if self._copy.tokens:
            self._known["lookup"].saw(self._copy, emitted)
        self._allowance += _TRYING * len(emitted)
        if skipped is None:
            self._brings.missed()
            self.costs.saw_no_draft()
            return
        self._known["s3d"].saw(tree, emitted)
        if draft_ms is not None:
            self.costs.saw_draft(skipped, draft_ms)
        # All skip counts are judged together: what one brought says what the others would have.
        self._brings.saw(self._copied, (len(emitted) - 1) * self._most / self.gains[skipped])
        self._rows += 0.1 * (len(tree) + 1 - self._rows)
