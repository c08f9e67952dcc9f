"""Recorded passes: what is recorded when, and that replays write what the passes would have written.

A tape of operations stands in for a CUDA graph: like a graph it knows addresses alone, so a number
that Python had baked into a recording is wrong in the next round here too.
"""

import copy
import logging
import random

import pytest
import torch
from core.models import VOCABULARY, build, engine_for
from core.tape import TapePool

from s3d_core import graphs as recording
from s3d_core.engine import Engine
from s3d_core.graphs import CudaPool, Graphs
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target

GRID = [
    DraftSettings("plain"),
    DraftSettings("lookup", draft_length=3),
    DraftSettings("skip", skipped=2, draft_length=3),
    DraftSettings("s3d", skipped=2, draft_length=4, tree_size=16),
    DraftSettings("s3d", skipped=4, draft_length=2, tree_size=7),
    DraftSettings("s3d", skipped=0, draft_length=4, tree_size=1),
    DraftSettings("auto"),
]


@pytest.fixture
def pool(monkeypatch):
    """A kind of tape pool that counts for one test alone."""
    monkeypatch.setattr(TapePool, "made", 0)
    monkeypatch.setattr(TapePool, "room", 10**9)
    return TapePool


def recorded_engine(model, pool, **named):
    return engine_for(model, record=pool, **named)


def written(engine, prompt, draft, sampling):
    return [token for done in engine.generate(prompt, draft, sampling) for token in done.ids]


def prompts(count, lengths=(3, 40)):
    dice = random.Random(7)
    return [[dice.randrange(3, VOCABULARY) for _ in range(dice.randint(*lengths))] for _ in range(count)]


@pytest.mark.parametrize("name", ["llama tied", "mistral window 24", "qwen3", "phi3 long rope", "phi4 mini"])
def test_replayed_passes_write_what_transformers_generate_writes(name, pool):
    model = build(name)
    reference = copy.deepcopy(model)
    engine = recorded_engine(model, pool)
    prompt = prompts(1)[0]
    expected = reference.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=48, eos_token_id=2, pad_token_id=0
    )[0, len(prompt) :].tolist()
    for draft in GRID:
        got = written(engine, prompt, draft, SamplingSettings(max_tokens=48))
        assert got == expected, f"{name}: {draft} differs from transformers"
    assert len(engine.target.steps.graphs) > 3


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingSettings(temperature=0.8, top_k=20, top_p=0.9, min_p=0.02, seed=3, max_tokens=24),
        SamplingSettings(temperature=1.1, repetition_penalty=1.3, seed=5, max_tokens=24),
    ],
    ids=["warpers", "penalty"],
)
def test_same_seed_gives_the_same_text_with_and_without_recordings(sampling, pool):
    engine, bare = recorded_engine(build("qwen3"), pool), engine_for(build("qwen3"))
    prompt = prompts(1)[0]
    expected = written(bare, prompt, GRID[0], sampling)
    for draft in GRID:
        assert written(engine, prompt, draft, sampling) == expected, f"{draft} changed the text"


def test_sliders_moving_in_the_middle_of_an_answer_change_nothing(pool):
    engine = recorded_engine(build("llama"), pool)
    sampling = SamplingSettings(temperature=0.8, seed=2, max_tokens=60)
    for prompt in prompts(1):
        expected = written(engine, prompt, GRID[0], sampling)
        dice = random.Random(1)
        assert written(engine, prompt, lambda dice=dice: dice.choice(GRID), sampling) == expected


def test_a_text_that_outgrows_its_span_and_the_cache_goes_on_unchanged(pool):
    model = build("llama")
    bare = engine_for(copy.deepcopy(model))
    engine = recorded_engine(model, pool)
    prompt, sampling = prompts(1, (240, 240))[0], SamplingSettings(max_tokens=40)
    for draft in (GRID[0], GRID[3]):
        engine.cache.rewind(0)
        place = engine.cache.place
        assert written(engine, prompt, draft, sampling) == written(bare, prompt, draft, sampling)
    assert place is engine.cache.place  # the second text found the cache large enough
    assert engine.cache.capacity >= 512


def doubled(graphs, key, place, *inputs):
    return graphs(key, place, lambda x, y: (x * 2 + y,), *map(torch.tensor, inputs))[0].item()


def test_the_first_call_runs_the_second_is_recorded_and_all_others_are_replayed(pool):
    graphs, place = Graphs(pool), object()
    assert doubled(graphs, "a", place, 1.0, 2.0) == 4
    assert len(graphs) == 0
    assert doubled(graphs, "a", place, 3.0, 1.0) == 7
    assert len(graphs) == 1
    assert doubled(graphs, "a", place, 5.0, 5.0) == 15
    # The function of a later call is not looked at: the key says all that it does.
    assert graphs("a", place, None, torch.tensor(1.0), torch.tensor(1.0))[0].item() == 3


def test_what_a_replay_returned_stays_as_it_is(pool):
    graphs, place = Graphs(pool), object()
    for _ in range(2):
        doubled(graphs, "a", place, 0.0, 0.0)
    first = graphs("a", place, None, torch.tensor(1.0), torch.tensor(1.0))[0]
    doubled(graphs, "a", place, 9.0, 9.0)
    assert first.item() == 3


def test_all_recordings_share_one_pool_until_the_memory_beneath_them_moves(pool):
    graphs, place = Graphs(pool), object()
    for key in "aabb":
        doubled(graphs, key, place, 1.0, 1.0)
    assert (len(graphs), pool.made) == (2, 1)
    assert doubled(graphs, "a", object(), 1.0, 1.0) == 3
    assert (len(graphs), pool.made) == (0, 1)
    for _ in range(2):
        doubled(graphs, "b", place, 1.0, 1.0)
    assert (len(graphs), pool.made) == (1, 2)


def test_the_recording_that_was_not_used_for_longest_gives_its_memory_back(pool):
    graphs, place = Graphs(pool, most=2), object()
    for key in "aabbacc":  # a is used again before c comes
        doubled(graphs, key, place, 1.0, 1.0)
    assert [key for key, _ in graphs._held.items()] == ["a", "c"]
    assert doubled(graphs, "b", place, 1.0, 1.0) == 3


def test_without_memory_for_a_recording_it_goes_on_without_and_says_so_once(pool, monkeypatch, caplog):
    monkeypatch.setattr(pool, "room", 1)
    engine, bare = recorded_engine(build("llama"), pool), engine_for(build("llama"))
    sampling = SamplingSettings(max_tokens=40)
    prompt = prompts(1)[0]
    with caplog.at_level(logging.WARNING):
        for draft in GRID:
            assert written(engine, prompt, draft, sampling) == written(bare, prompt, draft, sampling)
    assert [r.message for r in caplog.records] == [
        "Passes go on without new CUDA graphs, which is slower: CUDA out of memory. Tried to allocate 2.00 MiB."
    ]
    assert len(engine.target.steps.graphs) == 1


def test_a_function_that_asks_the_host_is_never_recorded(pool):
    graphs, place = Graphs(pool), object()
    for _ in range(3):
        (found,) = graphs("a", place, lambda x: (torch.full((), x.item() + 1),), torch.tensor(2.0))
        assert found.item() == 3
    assert graphs.gave_up


def test_few_recordings_serve_trees_of_all_sizes(pool):
    target = Target(build("llama"))
    target.record(pool)
    cache = target.new_cache()
    with torch.inference_mode():
        for rows in 2 * (1, 2, 3, 4, 5, 7, 9, 12, 17, 25, 33, 50, 65):
            tokens = torch.arange(rows) + 3
            visible = torch.ones(rows, rows, dtype=torch.bool).tril()
            assert target.step(tokens, torch.arange(rows), rows - 1, cache, visible).shape == (rows, VOCABULARY)
    assert len(target.steps.graphs) == 8


def test_a_model_that_is_loaded_onto_a_gpu_is_recorded_in_cuda_graphs(folder, pool, monkeypatch):
    device = torch.device("cuda:0")
    made = recording.pools(device)
    assert (made.func, made.args) == (CudaPool, (device,))
    assert recording.pools(torch.device("cpu")) is None
    bare = Engine.load(folder, dtype="float32", device="cpu", recorder=None)
    assert bare.target.steps is None
    monkeypatch.setattr(recording, "pools", lambda device: pool)
    engine = Engine.load(folder, dtype="float32", device="cpu")
    assert pool.made == 1
    assert len(engine.target.steps.graphs) > 1  # what Auto and the plain step are measured with
    prompt, sampling = prompts(1)[0], SamplingSettings(max_tokens=24)
    for draft in (GRID[0], GRID[1], GRID[2], GRID[6]):
        assert written(engine, prompt, draft, sampling) == written(bare, prompt, draft, sampling)
