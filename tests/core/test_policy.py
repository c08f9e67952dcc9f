"""Auto's policy on made-up texts whose best fixed setting is known, and the estimates it rests on."""

import math

import numpy as np
import pytest

from s3d_core.costs import Costs
from s3d_core.policy import Policy, Reliability, Trend
from s3d_core.tree import Tree

RIGHT, WRONG = 1, 9
PLAIN_MS, DRAFT_MS = 5.0, 4.0
# With every text so much may be lost until it is known what pays, in milliseconds.
START_MS = 25.0


def verify_ms(nodes):
    """A row costs a twenty-fifth of a plain step, more where another tile begins."""
    return PLAIN_MS * (1 + 0.04 * nodes + (0.1 if nodes >= 9 else 0.0))


def costs(draft_ms=DRAFT_MS):
    return Costs({rows: verify_ms(rows - 1) for rows in (1, 2, 4, 9, 10, 17, 18, 33)}, {12: draft_ms})


class Text:
    """At every place a copied and a drafted chain with the probability of each step, and how many of each are right.

    Args:
        copied, drafted: by the place, the steps' probabilities; none for no proposal.
    """

    def __init__(self, tokens, copied, drafted, seed=0):
        self.tokens, self._dice = tokens, np.random.default_rng(seed)
        self.copied = [self._proposal(copied(place)) for place in range(tokens)]
        self.drafted = [self._proposal(drafted(place)) for place in range(tokens)]

    def _proposal(self, steps):
        steps = np.array(steps)
        tree = Tree.chain([RIGHT] * len(steps))
        tree.scores = np.cumsum(np.log(steps)).tolist() if len(steps) else []
        right = int(np.cumprod(self._dice.random(len(steps)) < steps).sum())
        return tree, right

    def fixed(self, name, nodes):
        """Milliseconds with one setting throughout."""
        place, ms = 0, 0.0
        while place < self.tokens:
            tree, right = getattr(self, name)[place] if name else (Tree(), 0)
            held = min(nodes, len(tree))
            ms += verify_ms(held) + (DRAFT_MS if name == "drafted" else 0.0)
            place += 1 + min(held, right)
        return ms

    def best(self):
        """Milliseconds with the best of all fixed settings."""
        settings = [("", 0), *((name, nodes) for name in ("copied", "drafted") for nodes in range(1, 9))]
        return min(self.fixed(*setting) for setting in settings)

    def with_policy(self, policy):
        """Milliseconds with a policy, and the share of rounds that were drafted."""
        policy.begin()
        place, ms, rounds, drafts = 0, 0.0, 0, 0
        while place < self.tokens:
            policy.least()
            tree, right = self.copied[place]
            tree, skipped = policy.weigh(tree)
            drafted_ms = 0.0
            if skipped is not None:
                tree, right = self.drafted[place]
                tree, drafted_ms = policy.cut(tree), DRAFT_MS
            emitted = [RIGHT] * min(len(tree), right) + [WRONG]
            policy.saw(tree, skipped, emitted, drafted_ms, drafted_ms + verify_ms(len(tree)))
            ms += drafted_ms + verify_ms(len(tree))
            place, rounds, drafts = place + len(emitted), rounds + 1, drafts + (skipped is not None)
        return ms, drafts / rounds


GOOD_DRAFT, POOR_DRAFT = (0.9, 0.8, 0.7, 0.6), (0.4, 0.2)
MEMORY, NOTHING = (0.95, 0.95, 0.95, 0.95, 0.95, 0.95), ()


def every(count, then, otherwise):
    return lambda place: then if place % count == 0 else otherwise


TEXTS = {
    "drafts pay": (lambda place: NOTHING, lambda place: GOOD_DRAFT),
    "drafts pay, some words are copied": (every(9, (0.5, 0.3), NOTHING), lambda place: GOOD_DRAFT),
    "nothing pays": (lambda place: NOTHING, lambda place: POOR_DRAFT),
    "copies pay": (lambda place: MEMORY, lambda place: GOOD_DRAFT),
    "copies pay now and then": (every(3, (0.9, 0.8), NOTHING), lambda place: POOR_DRAFT),
    "drafts are about as good as nothing": (lambda place: NOTHING, lambda place: (0.75, 0.3)),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", TEXTS)
def test_no_fixed_setting_is_3_percent_better(name, seed):
    text = Text(600, *TEXTS[name], seed=seed)
    spent, _ = text.with_policy(Policy({12: 2.0}, costs()))
    assert spent <= 1.03 * text.best() + START_MS


@pytest.mark.parametrize("first", TEXTS)
def test_what_paid_in_another_text_is_forgotten(first):
    """Whatever was written before, drafts that begin to pay are made, and copies that do are taken."""
    for then in ("drafts pay", "copies pay", "nothing pays"):
        policy = Policy({12: 2.0}, costs())
        for seed in range(3):
            Text(500, *TEXTS[first], seed=seed).with_policy(policy)
        text = Text(800, *TEXTS[then], seed=9)
        spent, _ = text.with_policy(policy)
        assert spent <= 1.03 * text.best() + 2 * START_MS, then


def test_what_is_new_is_drafted_also_behind_what_was_copied():
    """At what copies had brought, drafts of 1.4 tokens were passed over for as long as that was remembered."""
    policy = Policy({12: 2.0}, costs())
    spent = drafted = 0.0
    for seed in range(30):
        Text(100, lambda place: MEMORY, lambda place: GOOD_DRAFT, seed=seed).with_policy(policy)
        hard = Text(48, lambda place: NOTHING, lambda place: (0.75, 0.6, 0.5), seed=seed)
        spent += hard.with_policy(policy)[0]
        drafted += hard.fixed("drafted", 3)
    assert spent <= 1.03 * drafted


@pytest.mark.parametrize(("copied", "drafted"), [((0.8, 0.7), (0.85,) * 4), ((0.8,) * 3, (0.9,) * 4)])
def test_copies_are_not_left_for_drafts_that_bring_little_more(copied, drafted):
    """Where copies brought much, drafts that bring a token more were made, at the price of time without copies."""
    policy = Policy({12: 2.0}, costs())
    spent = best = 0.0
    for seed in range(30):
        Text(60, lambda place: NOTHING, lambda place: POOR_DRAFT, seed=seed).with_policy(policy)
        text = Text(100, lambda place: copied, lambda place: drafted, seed=seed)
        spent += text.with_policy(policy)[0]
        best += text.fixed("copied", len(copied))
    assert spent <= 1.03 * best


def test_drafts_are_made_on_while_another_program_slows_the_machine():
    """Passes were known to be slower at once, but not the rate they are priced by: drafts looked dear."""
    policy = Policy({12: 2.0}, costs())
    tree = Tree.chain([RIGHT] * 3)
    tree.scores = [math.log(p) for p in (0.6, 0.4, 0.3)]
    policy.begin()
    for number in range(120):
        policy.least()
        _, skipped = policy.weigh(Tree())
        assert skipped == 12
        slower = 1.0 if number < 60 else 1.7
        emitted = [RIGHT] * (1 + number % 2) + [WRONG]
        policy.saw(tree, skipped, emitted, DRAFT_MS * slower, (DRAFT_MS + verify_ms(3)) * slower)


@pytest.mark.parametrize("off", [0.6, 1.6])
def test_drafts_that_were_measured_wrongly_are_soon_known_better(off):
    text = Text(1500, *TEXTS["drafts pay"])
    spent, _ = text.with_policy(Policy({12: 2.0}, costs(DRAFT_MS * off)))
    assert spent <= 1.03 * text.best() + START_MS


def test_without_an_adapter_nothing_is_drafted():
    text = Text(100, *TEXTS["copies pay"])
    spent, drafts = text.with_policy(Policy({}, costs()))
    assert drafts == 0
    assert spent < text.fixed("", 0)


def test_tries_cost_a_hundredth_at_most():
    """Where drafts never pay, the rounds that were drafted in vain are seldom enough."""
    text = Text(3000, lambda place: NOTHING, lambda place: POOR_DRAFT)
    policy = Policy({12: 2.0}, costs())
    text.with_policy(policy)
    assert text.with_policy(policy)[0] <= 1.012 * text.fixed("", 0) + START_MS


def test_reliability_is_the_share_of_what_was_promised_that_came():
    known, sure = Reliability(), Tree([5, 6], [0, 1], [1, 2], [math.log(0.9), math.log(0.8)])
    assert known.factor == 1
    for _ in range(200):
        known.saw(sure, [5, 7])
    assert known.factor == pytest.approx(1 / 1.7, abs=0.05)
    for _ in range(200):
        # Whether the second would have come is not known, so it promised nothing.
        known.saw(sure, [7])
    assert known.factor < 0.1
    for _ in range(200):
        known.saw(sure, [5, 6, 9])
    assert known.factor == pytest.approx(2 / 1.7, abs=0.05)


def test_a_chain_that_keeps_what_it_promised_is_reliable_whether_it_was_verified_or_not():
    """Steps behind the first error were not counted as promised, so that copies seemed to keep a third more."""
    dice, steps = np.random.default_rng(0), 5
    chain = Tree.chain([RIGHT] * steps)
    chain.scores = [n * math.log(0.6) for n in range(1, steps + 1)]
    for most in (steps, 2):
        known, factors = Reliability(), []
        for number in range(4000):
            right = int(np.cumprod(dice.random(steps) < 0.6).sum())
            # Of a tree that was not verified no more is known than another one's round brought.
            known.saw(chain, ([RIGHT] * right + [WRONG])[: most + 1])
            factors.append(known.factor if number > 200 else 1.0)
        assert np.mean(factors) == pytest.approx(1, abs=0.05), most


def test_a_text_is_begun_with_what_is_usual():
    """Six bad rounds at the end of a text had the next one begin without drafts."""
    trend = Trend(y=1.5, slope=0.5)
    dice = np.random.default_rng(0)
    for _ in range(200):
        trend.saw(0.0, float(dice.integers(0, 4)))
    for _ in range(12):
        trend.saw(0.0, 0.0)
    assert trend.at(0) < 0.9
    trend.begin()
    assert trend.at(0) == pytest.approx(1.4, abs=0.2)
    for _ in range(12):
        trend.saw(0.0, 0.0)
    assert trend.at(0) < 0.8


def test_the_first_text_is_begun_with_less_than_the_card_promises():
    """The card is of wide trees on the model's own chats; first replies were begun with drafts that brought half."""
    spent = plain = 0.0
    for seed in range(40):
        text = Text(30, lambda place: NOTHING, lambda place: POOR_DRAFT, seed=seed)
        spent += text.with_policy(Policy({12: 2.4}, costs()))[0]
        plain += text.fixed("", 0)
    assert spent <= 1.08 * plain


def test_what_came_beside_long_copies_says_little_of_what_comes_without():
    trend = Trend(y=2.0, slope=0.5)
    for _ in range(30):
        trend.saw(5.0, 2.0)
    assert trend.at(0) >= 1


def test_a_row_that_brings_little_is_verified_for_what_it_teaches():
    policy = Policy({12: 2.0}, Costs({1: 20.0, 33: 52.0}, {12: 5.0}))
    policy.least()
    tree = Tree.chain([RIGHT] * 4)
    # A row takes a twentieth of a plain step, and is priced at a twentieth of a token.
    tree.scores = [math.log(p) for p in (0.5, 0.2, 0.04, 0.02)]
    assert len(policy.cut(tree)) == 3


def test_a_trend_finds_the_line_and_forgets_an_old_one():
    trend = Trend(y=1.5, slope=0.5)
    assert trend.at(0.7) == 1.5
    dice = np.random.default_rng(0)
    for _ in range(600):
        x = float(dice.uniform(0, 4))
        trend.saw(x, 1 + 0.6 * x)
    assert trend.at(1) == pytest.approx(1.6, abs=0.2)
    assert trend.at(3) == pytest.approx(2.8, abs=0.2)
    for _ in range(200):
        trend.saw(float(dice.uniform(0, 4)), 0.2)
    assert trend.at(2) == pytest.approx(0.2, abs=0.2)


SIX_AT_ONCE = {1: 10.3, 3: 12.3, 6: 13.4, 9: 24.0, 12: 25.5, 18: 39.7, 33: 68.0}


def test_where_six_rows_are_multiplied_at_once_candidates_among_the_first_are_not_left_out():
    """They were judged by what a row costs in the step behind six, and half of a pass that was paid for went unused."""
    policy = Policy({12: 2.0}, Costs(SIX_AT_ONCE, {12: 9.2}))
    least = policy.least()
    assert 0.04 < least < 0.07
    tree = Tree.chain([RIGHT] * 8)
    tree.scores = [math.log(p) for p in (0.9, 0.6, 0.4, 0.3, 0.12, 0.1, 0.09, 0.08)]
    assert len(policy.cut(tree)) == 5


def test_what_fixed_trees_leave_out_follows_from_what_rows_cost_here():
    """One probability for all machines left in nodes of 0.04 where, with faster memory, a row cost 0.08 tokens."""

    def least(row_ms, size=11):
        return Policy({11: 2.0}, Costs({1: 20.0, 33: 20.0 + 32 * row_ms}, {11: 5.0})).usual_least(11, size)

    assert least(0.0) == 0
    # Three tokens take 36 ms, and a node teaches for 0.015.
    assert least(1.0) == pytest.approx(3 / 36 - 0.015)
    assert least(0.2) < least(0.5) < least(1.0) < least(5.0) <= 0.5
    stepwise = Policy({12: 2.0}, Costs(SIX_AT_ONCE, {12: 9.2}))
    assert 0 < stepwise.usual_least(12, 5) < 0.1
    # A count that the card says nothing of is judged by the most that any brings.
    assert stepwise.usual_least(7, 5) == stepwise.usual_least(12, 5)


def test_a_first_draft_is_thought_as_wide_as_rows_cost_little():
    """Where the ninth row costs more than a plain step, drafts that paid with six were thought too dear."""
    narrow = Policy({12: 2.0}, Costs(SIX_AT_ONCE, {12: 7.0}))
    narrow._allowance = 0.0
    narrow.least()
    assert narrow.weigh(Tree())[1] == 12
    dear = Policy({12: 2.0}, Costs({1: 10.3, 2: 20.0, 33: 600.0}, {12: 7.0}))
    dear._allowance = 0.0
    dear.least()
    assert dear.weigh(Tree())[1] is None


def test_no_more_candidates_are_searched_than_may_be_worth_their_rows():
    """Where rows cost next to nothing every draft searched 32 candidates, of which eight were verified."""
    policy = Policy({12: 2.0}, costs())
    assert policy.widest <= 14

    def drafted(nodes):
        tree = Tree.chain([RIGHT] * nodes)
        tree.scores = [-0.5 * depth for depth in tree.depths]
        for _ in range(40):
            policy.least()
            policy.saw(tree, 12, [WRONG], DRAFT_MS, DRAFT_MS + verify_ms(nodes))

    drafted(4)
    assert 5 <= policy.widest <= 8
    for _ in range(8):
        drafted(policy.widest)
    assert policy.widest == 32
