"""Processed scores against transformers' own chain, and draws that follow them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from s3d_core.noise import uniform
from s3d_core.sampling import Sampler, most_likely, plausible
from s3d_core.settings import SamplingSettings

CHOICES = [
    {"temperature": 0.7},
    {"temperature": 0.7, "top_k": 12},
    {"temperature": 1.3, "top_p": 0.8},
    {"temperature": 0.2, "min_p": 0.05},
    {"temperature": 0.9, "top_k": 20, "top_p": 0.7, "min_p": 0.02},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 0.8, "top_k": 15, "top_p": 0.9, "repetition_penalty": 1.4},
]


@pytest.mark.parametrize("chosen", CHOICES, ids=str)
def test_scores_are_those_of_transformers(chosen):
    wished = SamplingSettings(**chosen)
    chain = LogitsProcessorList()
    if wished.repetition_penalty != 1:
        chain.append(RepetitionPenaltyLogitsProcessor(wished.repetition_penalty))
    if wished.temperature != 1:
        chain.append(TemperatureLogitsWarper(wished.temperature))
    if wished.top_k:
        chain.append(TopKLogitsWarper(wished.top_k))
    if wished.top_p < 1:
        chain.append(TopPLogitsWarper(wished.top_p))
    if wished.min_p:
        chain.append(MinPLogitsWarper(wished.min_p))
    sampler, prefix = Sampler(wished), [3, 3, 50, 7]
    for seed in range(30):
        logits = torch.randn(200, generator=torch.Generator().manual_seed(seed)) * 4
        expected = chain(torch.tensor([prefix]), logits[None].clone())[0]
        got = sampler.scores(logits, prefix)
        assert torch.equal(got > float("-inf"), expected > float("-inf"))
        left = expected > float("-inf")
        torch.testing.assert_close(got[left], expected[left])


def test_a_draw_depends_on_seed_and_position_alone():
    scores = torch.randn(500, generator=torch.Generator().manual_seed(0))
    one = [Sampler(SamplingSettings(temperature=1.0, seed=5)).draw(scores, place) for place in range(40)]
    sampler = Sampler(SamplingSettings(temperature=1.0, seed=5))
    assert [sampler.draw(scores, place) for place in reversed(range(40))] == one[::-1]
    assert [Sampler(SamplingSettings(temperature=1.0, seed=6)).draw(scores, place) for place in range(40)] != one


def test_a_token_keeps_its_noise_when_others_are_cut_off():
    """Else a top-k that cuts off a token which was not drawn would change the text."""
    scores = torch.randn(500, generator=torch.Generator().manual_seed(0)) * 3
    sampler = Sampler(SamplingSettings(temperature=1.0, seed=1))
    for place in range(60):
        drawn = sampler.draw(scores, place)
        cut = scores.clone()
        cut[scores < scores[drawn]] = float("-inf")
        assert sampler.draw(cut, place) == drawn


def test_only_what_is_left_is_drawn():
    scores = torch.full((100,), float("-inf"))
    scores[[4, 90]] = torch.tensor([0.0, 0.5])
    sampler = Sampler(SamplingSettings(temperature=1.0))
    assert {sampler.draw(scores, place) for place in range(200)} == {4, 90}


def test_the_most_likely_token_of_each_row():
    logits = torch.randn(7, 1000, generator=torch.Generator().manual_seed(2))
    for dtype in (torch.float32, torch.bfloat16):
        assert most_likely(logits.to(dtype)) == logits.to(dtype).argmax(-1).tolist()


def test_the_noise_told_to_drafting_is_what_decides():
    """With it the token drawn from known logits is known, some tokens ahead too."""
    logits = torch.randn(300, generator=torch.Generator().manual_seed(3)) * 2
    sampler = Sampler(SamplingSettings(temperature=0.7, seed=4))
    noise = sampler.noise(90)
    for depth in range(60):
        foreseen = (logits.numpy() + noise(depth, np.arange(300))).argmax()
        assert sampler.draw(sampler.scores(logits, ()), 90 + depth) == foreseen
    assert Sampler(SamplingSettings()).noise(90) is None


@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, 10_000), spread=st.floats(0, 20), strict=st.floats(0, 1), less=st.floats(0, 1))
def test_the_less_exact_the_less_probable_a_draft_may_be(number, spread, strict, less):
    scores = torch.randn(400, generator=torch.Generator().manual_seed(number)) * spread
    assert plausible(scores, strict * less) <= plausible(scores, strict)


def test_beside_exact_next_to_nothing_passes_and_at_the_other_end_what_is_not_absurd():
    sure, open_ = torch.tensor([9.0, 0.0, 0.0, -3.0]), torch.zeros(50)
    assert plausible(sure, 0.999) > 1
    assert plausible(open_, 0.999) > 0.15  # a draft would need nine times an even share
    assert plausible(sure, 0.0) == pytest.approx(0.02, rel=0.05)
    assert plausible(open_, 0.0) < 0.02


def test_draws_follow_the_probabilities():
    """200,000 positions of one seed: each token as often as its probability says."""
    scores = torch.tensor([0.0, 1.0, -1.0, 2.0, -3.0, 0.5, float("-inf"), -0.2])
    sampler = Sampler(SamplingSettings(temperature=1.0, seed=2026))
    draws = 200_000
    numbers = np.stack([uniform(2026, place, np.arange(8)) for place in range(draws)])
    noise = -np.log(-np.log(numbers))
    drawn = (scores.numpy() + noise).argmax(axis=1)
    assert [sampler.draw(scores, place) for place in range(500)] == drawn[:500].tolist()
    left = scores > float("-inf")
    counts = np.bincount(drawn, minlength=8)[left.numpy()]
    assert chisquare(counts, scores[left].double().softmax(-1).numpy() * draws).pvalue > 1e-4
    # The numbers themselves: even, and those of neighbouring tokens, positions and seeds unrelated.
    assert kstest(numbers[:20_000].ravel(), "uniform").pvalue > 1e-4
    other = np.stack([uniform(2027, place, np.arange(8)) for place in range(5000)])
    for one, two in (
        (numbers[:, :-1], numbers[:, 1:]),
        (numbers[:-1], numbers[1:]),
        (numbers[:5000], other),
    ):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4.5 / one.size**0.5
