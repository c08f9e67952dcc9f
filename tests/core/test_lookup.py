"""Copying from what was said: the lookup strategy's trees."""

import math

import torch
from core.models import VOCABULARY, build

from s3d_core.draft import State
from s3d_core.lookup import Lookup
from s3d_core.recall import Recall
from s3d_core.settings import DraftSettings
from s3d_core.target import Target

REPEATED = [9, 4, 7, 3, 8, 5, 6, 2]
TEXT = [*REPEATED, *REPEATED, *REPEATED[:2]]


def proposed(text, **settings):
    cache = Target(build("llama")).new_cache()
    return Lookup(Recall()).propose(State(text, cache, DraftSettings("lookup", **settings), 9))


def test_repeated_words_are_copied_as_far_as_asked_for():
    for length in (1, 3, 8):
        tree = proposed(TEXT, draft_length=length, tree_size=1)
        assert tree.tokens == (REPEATED * 2)[2 : 2 + length]
        assert tree.depths == list(range(1, length + 1))


def test_path_probabilities_fall_and_unlikely_candidates_are_left_out():
    tree = proposed(TEXT, draft_length=8, tree_size=8)
    assert tree.scores == sorted(tree.scores, reverse=True)
    assert tree.scores[0] < 0
    floor = math.exp(tree.scores[3])
    assert len(proposed(TEXT, draft_length=8, tree_size=8, least_probability=floor * 0.999)) == 4


def test_nothing_said_before_is_nothing_drafted():
    assert len(proposed([5], draft_length=4, tree_size=8)) == 0


def test_the_targets_verdicts_are_drafted_the_next_time():
    lookup, text = Lookup(Recall()), [3, 4, 5]
    cache = Target(build("llama")).new_cache()
    state = State(text, cache, DraftSettings("lookup", draft_length=2, tree_size=1), 9)
    tree = lookup.propose(state)
    logits = torch.zeros(len(tree) + 1, VOCABULARY)
    logits[0, 70] = 1
    lookup.learn(tree, lambda: logits.argmax(-1).tolist(), [71])
    text += [4, 5]
    # After "5" the text itself says 4, the target meant 70; both are known.
    state.settings = DraftSettings("lookup", draft_length=1, tree_size=8)
    assert {4, 70} <= set(lookup.propose(state).tokens)
