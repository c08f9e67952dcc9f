"""Draws that look at few tokens are those that look at all."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3d_core.noise import Lottery, Noise, gumbel, uniform


def drawn_from_all(scores, seed, position, tokens):
    return int((scores + gumbel(uniform(seed, position, tokens))).argmax())


def some_scores(dice, count, spread, ties):
    scores = (dice.standard_normal(count) * spread).astype(np.float32)
    if ties:
        scores = np.round(scores)
    return scores - np.logaddexp.reduce(scores, dtype=np.float32)


@settings(max_examples=150, deadline=None)
@given(
    number=st.integers(0, 2**32 - 1),
    count=st.one_of(st.integers(1, 40), st.integers(1000, 50_000)),
    spread=st.sampled_from([0.0, 0.01, 1.0, 4.0, 15.0, 300.0]),
    ties=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
    position=st.integers(0, 2**20),
)
@example(number=0, count=1, spread=0.0, ties=False, seed=0, position=0)
def test_a_draw_among_few_is_the_draw_among_all(number, count, spread, ties, seed, position):
    dice = np.random.default_rng(number)
    scores = some_scores(dice, count, spread, ties)
    lottery = Lottery()
    for tokens in (None, np.sort(dice.choice(60_000, count, replace=False))):
        for place in range(position, position + 4):
            expected = drawn_from_all(scores, seed, place, np.arange(count) if tokens is None else tokens)
            assert lottery.winner(scores, seed, place, tokens) == expected


def test_an_improbable_token_with_great_noise_still_wins():
    """Among 50,000 tokens nine nats behind one, the few with the greatest noise are what can win."""
    scores = np.full(50_000, -9.0, dtype=np.float32)
    scores[123] = 0.0
    lottery, tokens = Lottery(), np.arange(50_000)
    drawn = [lottery.winner(scores, 1, place) for place in range(300)]
    assert drawn == [drawn_from_all(scores, 1, place, tokens) for place in range(300)]
    # e^-9 times 49,999 is 6.2: the one token has a share of about a seventh.
    assert 20 < sum(token == 123 for token in drawn) < 70


def test_memory_of_a_longer_draw_leaves_a_shorter_one_alone():
    lottery, dice = Lottery(), np.random.default_rng(5)
    for count in (9000, 30, 20_000, 1, 9000):
        scores = some_scores(dice, count, 3.0, ties=False)
        assert lottery.winner(scores, 7, count) == drawn_from_all(scores, 7, count, np.arange(count))


def test_drafting_knows_the_noise_of_the_draw():
    noise = Noise(seed=3, start=40, temperature=0.7)
    tokens = np.array([5, 900, 17])
    assert noise(6, tokens) == pytest.approx(0.7 * gumbel(uniform(3, 46, tokens)))
