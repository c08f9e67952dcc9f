"""The promise: drafting never changes the text."""

import copy
import random

import pytest
import torch
from core.models import CONFIGS, VOCABULARY, build, engine_for

from s3d_core.kernels import jit
from s3d_core.settings import DraftSettings, SamplingSettings

GRID = [
    DraftSettings("plain"),
    DraftSettings("lookup", draft_length=3),
    DraftSettings("skip", skipped=2, draft_length=3),
    DraftSettings("skip", skipped=4, draft_length=1),
    DraftSettings("s3d", skipped=0, draft_length=4, tree_size=1),
    DraftSettings("s3d", skipped=2, draft_length=4, tree_size=16),
    DraftSettings("s3d", skipped=4, draft_length=2, tree_size=7),
    DraftSettings("s3d", skipped=2, draft_length=1, tree_size=4),
    DraftSettings("auto"),
]


def written(engine, prompt, draft, sampling):
    return [token for done in engine.generate(prompt, draft, sampling) for token in done.ids]


def prompts(count, lengths=(3, 40)):
    dice = random.Random(7)
    return [[dice.randrange(3, VOCABULARY) for _ in range(dice.randint(*lengths))] for _ in range(count)]


needs_kernels = pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")


@pytest.mark.parametrize("packed", [False, pytest.param(True, marks=needs_kernels)], ids=["torch", "packed"])
@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_equals_transformers_generate(name, packed):
    model = build(name)
    reference = copy.deepcopy(model)
    engine = engine_for(model, packed=packed)
    for prompt in prompts(3):
        expected = reference.generate(
            torch.tensor([prompt]), do_sample=False, max_new_tokens=64, eos_token_id=2, pad_token_id=0
        )[0, len(prompt) :].tolist()
        for draft in GRID:
            got = written(engine, prompt, draft, SamplingSettings(max_tokens=64))
            assert got == expected, f"{name}: {draft} differs from transformers"


@pytest.mark.parametrize("name", ["llama", "phi3 long rope", "qwen3"])
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingSettings(temperature=0.8, seed=11, max_tokens=48),
        SamplingSettings(temperature=0.8, top_k=20, top_p=0.9, min_p=0.02, seed=3, max_tokens=48),
        SamplingSettings(temperature=1.1, repetition_penalty=1.3, seed=5, max_tokens=48),
    ],
    ids=["plain", "warpers", "penalty"],
)
def test_same_seed_gives_the_same_text_at_every_setting(name, sampling):
    engine = engine_for(build(name))
    for prompt in prompts(2):
        expected = written(engine, prompt, GRID[0], sampling)
        for draft in GRID[1:]:
            assert written(engine, prompt, draft, sampling) == expected, f"{draft} changed the text"


def test_sliders_moving_in_the_middle_of_an_answer_change_nothing():
    engine = engine_for(build("llama"))
    sampling = SamplingSettings(temperature=0.8, seed=2, max_tokens=60)
    for prompt in prompts(3):
        expected = written(engine, prompt, GRID[0], sampling)
        dice = random.Random(1)
        assert written(engine, prompt, lambda dice=dice: dice.choice(GRID), sampling) == expected
