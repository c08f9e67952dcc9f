"""Candidate trees of any probabilities, and the loop with anything changed at any time."""

import functools
import math

import pytest
import torch
from core.models import VOCABULARY, build, engine_for
from fuzz.budget import SECONDS, fuzz
from fuzz.decoding import check_answer, check_tree
from hypothesis import strategies as st

from s3d_core.engine import Engine
from s3d_core.kernels import jit
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, STRATEGIES, DraftSettings, SamplingSettings

# Equal ones, certain ones and impossible ones among them, as half precision and sampling noise make them.
SCORES = st.one_of(st.floats(-50, 0), st.sampled_from([0.0, -0.0, -math.inf, -1.0, -1.0]))


@fuzz(
    st.lists(st.lists(SCORES, min_size=1, max_size=8), min_size=1, max_size=6),
    st.integers(1, MAX_TREE_SIZE),
    st.integers(1, MAX_DRAFT_LENGTH),
    st.floats(0, 1),
    examples=200,
)
def test_any_scores_give_a_tree_that_can_be_walked(tables, size, depth, least):
    check_tree(tables, size, depth, least)


PLAIN = ("llama", "mistral window 24", "phi3 long rope")
PACKED = ("float32 llama", "bfloat16 llama", "int8 llama", "float32 mistral window 24", "bfloat16 phi3 long rope")
# Packing compiles, which takes long where only twenty examples are tried.
NAMES = (*PLAIN, *PACKED) if SECONDS and jit.available() else PLAIN


@functools.cache
def engine_of(name: str) -> Engine:
    """Models of three kinds: plain attention, a sliding window, and frequencies that change with the length; each as
    torch runs it, and packed in some precision.
    """
    kind, _, shape = name.partition(" ")
    if name in PLAIN:
        return engine_for(build(name))
    model = build(shape)
    return engine_for(model.bfloat16() if kind != "float32" else model, packed="int8" if kind == "int8" else True)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny matrices only lose by threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    engine_of.cache_clear()


DRAFTS = st.builds(
    DraftSettings,
    strategy=st.sampled_from(STRATEGIES),
    skipped=st.integers(0, 4),
    draft_length=st.integers(1, MAX_DRAFT_LENGTH),
    tree_size=st.sampled_from([1, 2, 3, 7, 8, 16, MAX_TREE_SIZE]),
    least_probability=st.sampled_from([0.0, 0.06, 0.5, 1.0]),
)
SAMPLINGS = st.builds(
    SamplingSettings,
    temperature=st.sampled_from([0.0, 0.0, 0.3, 0.8, 1.5]),
    top_k=st.sampled_from([0, 0, 1, 5, 40]),
    top_p=st.sampled_from([1.0, 0.9, 0.3]),
    min_p=st.sampled_from([0.0, 0.05, 0.5]),
    repetition_penalty=st.sampled_from([1.0, 1.0, 1.3, 0.8]),
    seed=st.integers(0, 2**63 - 1),
    max_tokens=st.integers(1, 40),
    stop=st.lists(st.sampled_from(["w7 ", "w1", "w20 w", " w3", "w9 w9 "]), max_size=2).map(tuple),
)


@fuzz(st.data(), examples=20)
def test_anything_changed_at_any_time_leaves_the_text_alone(data):
    engine = engine_of(data.draw(st.sampled_from(NAMES)))
    pattern = data.draw(st.lists(st.integers(3, VOCABULARY - 1), min_size=1, max_size=12))
    prompt = (pattern * 30)[: data.draw(st.integers(1, 90))]
    sampling = data.draw(SAMPLINGS)
    stops = data.draw(st.frozensets(st.integers(3, VOCABULARY - 1), max_size=3))
    engine.stop_ids = frozenset({2}) | stops
    # What the cache holds of earlier answers must not matter either.
    if data.draw(st.booleans()):
        engine.cache.rewind(0)
    check_answer(
        engine,
        prompt,
        sampling,
        data.draw(st.lists(DRAFTS, min_size=1, max_size=6)),
        stopped_after=data.draw(st.integers(0, 5)),
        probe_every=data.draw(st.sampled_from([0, 0, 3, 24])),
    )
