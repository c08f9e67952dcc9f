"""The odds of recalled tokens: begun at a calibration, then counted."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3d_core.candidates import Candidates, default_calibration
from s3d_core.draft import State
from s3d_core.lookup import Lookup
from s3d_core.odds import Odds
from s3d_core.recall import Recall
from s3d_core.settings import DraftSettings

WEIGHTS = default_calibration(0)[-1]
SAID = ((1, 40),)
RIVALS = ((1, 40), (5, 41))


class Fixed(Recall):
    """Recalls the same whatever was said."""

    def __init__(self, found):
        super().__init__()
        self.found = list(found)

    def after(self, context):
        return self.found


@pytest.mark.parametrize("found", [SAID, RIVALS, ((1, 40), (5, 40))])
def test_they_begin_at_what_the_calibration_says(found):
    nothing = np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.int64)
    expected = Candidates(*nothing, None, Fixed(found), (7,), WEIGHTS[None]).after(())
    got = Odds(WEIGHTS).likely(found)
    assert [token for _, token in got] == [token for _, token in expected]
    assert [score for score, _ in got] == pytest.approx([score for score, _ in expected], abs=1e-5)


def test_nothing_recalled_is_nothing_likely():
    odds = Odds(WEIGHTS)
    assert odds.likely([]) == []
    odds.saw([], 5)


def test_they_come_to_be_the_share_that_came_true():
    odds = Odds(WEIGHTS)
    for number in range(600):
        odds.saw(SAID, 40 if number % 4 == 0 else 9)
    assert math.exp(odds.likely(SAID)[0][0]) == pytest.approx(0.25, abs=0.03)
    # Another kind of evidence is another matter.
    assert odds.likely(((0, 40),)) == Odds(WEIGHTS).likely(((0, 40),))


def test_nothing_is_ever_certain():
    """The story of a program that ran for weeks: a share that only ever shrinks is 0 at last and has no logarithm."""
    odds = Odds(WEIGHTS)
    for _ in range(80_000):
        odds.saw(SAID, 9)
    assert math.exp(odds.likely(SAID)[0][0]) == pytest.approx(0.001)
    for _ in range(5000):
        odds.saw(SAID, 40)
    assert math.exp(odds.likely(SAID)[0][0]) == pytest.approx(0.999)


def test_a_token_is_judged_beside_its_rival():
    odds = Odds(WEIGHTS)
    before = odds.likely(SAID)
    for _ in range(300):
        odds.saw(RIVALS, 41)
    (likely, token), (unlikely, other) = odds.likely(RIVALS)
    assert (token, other) == (41, 40)
    assert likely > math.log(0.9)
    assert unlikely < math.log(0.1)
    assert odds.likely(SAID) == before


@given(st.lists(st.tuples(st.sampled_from([SAID, RIVALS, ((2, 40), (5, 40))]), st.integers(39, 42)), max_size=60))
def test_they_stay_probabilities(seen):
    odds = Odds(WEIGHTS)
    for found, token in seen:
        odds.saw(found, token)
    for found in (SAID, RIVALS):
        likely = odds.likely(found)
        assert all(score < 0 for score, _ in likely)
        assert sum(math.exp(score) for score, _ in likely) < 1


def test_copies_that_never_come_true_are_soon_thought_unlikely():
    """The story of copied words that did not pay: with other weights than those of the calibration they came less."""
    lookup, settings = Lookup(Recall()), DraftSettings("lookup", draft_length=1, tree_size=4)
    text = [3, 4]
    scores = []
    for token in range(50, 90):
        tree = lookup.propose(State(text, None, settings, 9))
        if tree.tokens:
            scores.append(tree.scores[0])
        verdicts = [token] * (len(tree) + 1)
        lookup.learn(tree, lambda verdicts=verdicts: verdicts, [token])
        text += [token, 3, 4]
        lookup.propose(State(text[:-2], None, settings, 9))
    assert scores[-1] < scores[0] - 0.5
