"""Next-token probabilities of a path: slots, coherence and recall, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core.candidates import (
    EVIDENCE,
    EXTRA,
    HEAT,
    NO_TOKEN,
    NOISE,
    OTHER,
    PAIRS,
    RECALLED,
    SCALE,
    Candidates,
    default_calibration,
)
from s3d_core.recall import Recall
from s3d_core.sampling import Noise

SLOTS, K = 3, 4


def make(text, seed=0, weights=None, noise=None):
    dice = np.random.default_rng(seed)
    logits = -np.sort(-dice.normal(size=(SLOTS, K)).astype(np.float32) * 3)
    tokens = np.stack([dice.permutation(12)[:K] for _ in range(SLOTS)])
    pairs = dice.normal(size=(SLOTS - 1, K, K)).astype(np.float32)
    recall = Recall()
    recall.follow(text)
    weights = default_calibration(SLOTS) if weights is None else weights
    return Candidates(logits, tokens, pairs, recall, tuple(text[-3:]), weights, noise), logits, tokens, pairs


def test_without_recall_a_slot_is_its_scaled_logits_and_coherence():
    weights = default_calibration(SLOTS)
    weights[1, [SCALE, PAIRS]] = 0.7, 0.3
    found, logits, tokens, pairs = make([50, 51], weights=weights)
    for choice in range(K):
        scores = 0.7 * logits[1] + 0.3 * pairs[0, choice]
        other = 0.7 * (logits[1, -1] - 1) + weights[1, OTHER]
        whole = np.log(np.exp([*scores, other]).sum())
        got = {token: score for score, token in found.after((int(tokens[0, choice]),))}
        for at in range(K):
            assert abs(got[int(tokens[1, at])] - (scores[at] - whole)) < 1e-5
    # After a token that was no candidate there is no pair to weigh.
    _, evidence = found.evidence((99,))
    assert not evidence[:, PAIRS].any()


def test_the_noise_of_a_draw_to_come_counts_for_its_own_token():
    noise = Noise(seed=3, start=40, temperature=0.7)
    found, _, tokens, _ = make([50, 51], noise=noise)
    names, evidence = found.evidence((int(tokens[0, 0]),))
    assert np.allclose(evidence[1:, NOISE], noise(1, np.array(names[1:])))
    assert evidence[0, NOISE] == 0
    assert evidence[:, HEAT].tolist() == pytest.approx([0.7] + [0] * (len(names) - 1))
    _, cold = make([50, 51])[0].evidence((int(tokens[0, 0]),))
    assert not cold[:, [NOISE, HEAT]].any()


def test_what_was_recalled_is_marked_and_joins_where_it_was_missing():
    found, _, tokens, _ = make([1, 2, 40, 1, 2])
    names, evidence = found.evidence(())
    assert names == [NO_TOKEN, *tokens[0].tolist(), 40]
    at = names.index(40)
    assert evidence[at, EXTRA] == evidence[at, RECALLED + 1] == 1
    assert evidence[at].sum() - evidence[at, SCALE] == 2
    known = int(tokens[0, 2])
    found, *_ = make([1, 2, known, 1, 2])
    names, evidence = found.evidence(())
    assert names == [NO_TOKEN, *tokens[0].tolist()]
    assert evidence[names.index(known), RECALLED + 1] == 1
    assert not evidence[:, EXTRA].any()


def test_behind_the_slots_only_what_was_recalled_goes_on():
    found, *_ = make([1, 2, 3, 4, 5, 6, 1, 2])
    assert [token for _, token in found.after((3, 4, 5))] == [6]
    assert found.after((3, 4, 9)) == []
    names, evidence = found.evidence((3, 4, 5))
    assert names == [NO_TOKEN, 6]
    assert evidence.shape == (2, EVIDENCE)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 11), min_size=1, max_size=30), st.lists(st.integers(0, 11), max_size=5), st.integers(0, 9)
)
def test_probabilities_fall_and_leave_room_for_other_tokens(text, path, seed):
    after = make(text, seed)[0].after(tuple(path))
    scores = [score for score, _ in after]
    assert scores == sorted(scores, reverse=True)
    assert len({token for _, token in after}) == len(after)
    assert sum(np.exp(scores)) < 1


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 13), min_size=1, max_size=30),
    st.lists(st.integers(0, 13), max_size=4),
    st.integers(0, 9),
    st.booleans(),
)
def test_probabilities_are_the_softmax_of_the_weighed_evidence(text, path, seed, is_sampled):
    weights = default_calibration(SLOTS) + np.arange(EVIDENCE, dtype=np.float32) / 40
    weights *= 1 + np.arange(SLOTS + 1, dtype=np.float32)[:, None] / 9
    found, *_ = make(text, seed, weights, Noise(seed, 40, 0.7) if is_sampled else None)
    for _ in range(2):  # what was worked out for one path must not have changed what another gets
        found.after(tuple(reversed(path)))
        names, evidence = found.evidence(tuple(path))
        scores = evidence @ weights[min(len(path), SLOTS)]
        shares = np.exp(scores) / np.exp(scores).sum()
        got = {token: math.exp(score) for score, token in found.after(tuple(path))}
        assert got == pytest.approx(dict(zip(names[1:], shares[1:].tolist(), strict=True)), abs=1e-6)
