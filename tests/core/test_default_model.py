"""The promise on the real default model: every strategy writes what transformers writes, token for token."""

import functools
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from s3d_core.costs import Costs
from s3d_core.kernels import jit
from s3d_core.load import stock_model
from s3d_core.policy import Policy
from s3d_core.settings import DraftSettings, SamplingSettings

PROMPTS = Path(__file__).parents[2] / "resources" / "prompts" / "bench.jsonl"

S3D = [
    DraftSettings("s3d", skipped=skipped, draft_length=length, tree_size=size)
    for skipped, length, size in itertools.product((6, 12, 18), (2, 3, 4), (1, 16))
]
SKIP = [
    DraftSettings("skip", skipped=skipped, draft_length=length)
    for skipped, length in itertools.product((4, 6, 12), (1, 2, 4))
]
LOOKUP = [DraftSettings("lookup", draft_length=length) for length in (2, 4, 8)]
AUTO = DraftSettings("auto")
GRID = [DraftSettings("plain"), AUTO, *LOOKUP, *SKIP, *S3D]
# Every run takes four prompts through eight settings each, which covers the grid; the thorough one all of it, further.
QUICK, SHARE = 4, 8
TOKENS, MORE_TOKENS = 32, 64


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As many threads as users have, in the place of the one that the tiny models of the other modules get."""


@pytest.fixture(scope="module")
def engine(float32_engine):
    return float32_engine


@pytest.fixture(scope="module")
def prompts(engine):
    rows = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()][:20]
    return [engine.chat_ids([{"role": "user", "content": row["turns"][0]}]) for row in rows]


@pytest.fixture(scope="module")
def expected(engine, prompts):
    """What `transformers.generate` writes on a prompt, greedily, by the prompt's number."""
    model = stock_model(Path(engine.info.path), torch.float32, torch.device("cpu"))

    @functools.cache
    def reply(number: int, tokens: int) -> list[int]:
        prompt = torch.tensor([prompts[number]])
        out = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=sorted(engine.stop_ids),
            pad_token_id=0,
        )
        return out[0, prompt.shape[1] :].tolist()

    return reply


def written(engine, ids, draft, sampling):
    return [token for done in engine.generate(ids, draft, sampling) for token in done.ids]


def test_the_shipped_adapter_is_in_use(engine):
    assert engine.info.has_adapter, engine.info.notice
    # The adapter, the draft head, the coherence term's table and what is recalled, together.
    assert engine.info.adapter_bytes <= engine.info.weight_bytes / 10
    held = engine.drafting_memory()
    # What is recalled has grown with the texts that other tests have had it write.
    assert sum(held.values()) - held["recalled"] <= engine.info.adapter_bytes <= sum(held.values())
    assert engine.info.defaults.strategy == "auto"
    if jit.lanes_at_once() == 8:  # where six rows are multiplied at once
        assert engine.info.defaults.tree_size == 11


@pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")
@pytest.mark.parametrize("row_ms", [0.0, 0.5, 2.0])
def test_what_trees_leave_out_by_default_follows_from_what_rows_cost(engine, monkeypatch, row_ms):
    auto, before = engine.strategies["auto"], engine.info
    policy = Policy(auto.policy.gains, Costs({1: 20.0, 33: 20.0 + 32 * row_ms}, {before.defaults.skipped: 5.0}))
    monkeypatch.setattr(auto, "policy", policy)
    monkeypatch.setattr(auto, "measure", lambda cache: None)
    monkeypatch.setattr(engine, "info", before)
    engine.measure_auto()
    least = policy.usual_least(before.defaults.skipped, before.defaults.tree_size)
    assert engine.info.defaults == replace(before.defaults, least_probability=least)
    assert (least == 0) is (row_ms == 0)


@pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")
def test_drafting_holds_at_most_a_tenth_of_the_model_in_sixteen_bits(engine):
    """There the updates are beside the layers, in bfloat16, and the head's rows in eight bits as in float32."""
    beside = engine.adapter.fit(engine.target, merges=False)
    updates = [weight for update in beside.updates.values() for pair in update.values() for weight in pair]
    assert {weight.blocks.dtype for weight in updates} == {torch.bfloat16}
    assert engine.strategies["s3d"].head._weight.layout.kind == "int8"
    held = engine.info.adapter_bytes - engine.adapter.bytes + beside.bytes
    assert held <= engine.info.weight_bytes / 2 / 10


def test_float32_greedy_equals_transformers(engine, prompts, expected):
    for number, ids in enumerate(prompts[:QUICK]):
        for draft in [GRID[(number * SHARE + i) % len(GRID)] for i in range(SHARE)]:
            got = written(engine, ids, draft, SamplingSettings(max_tokens=TOKENS))
            assert got == expected(number, TOKENS), f"{draft} on {number}"


@pytest.mark.thorough
def test_float32_greedy_equals_transformers_at_every_setting(engine, prompts, expected):
    for number, ids in enumerate(prompts):
        for draft in GRID:
            got = written(engine, ids, draft, SamplingSettings(max_tokens=MORE_TOKENS))
            assert got == expected(number, MORE_TOKENS), f"{draft} on {number}"


def test_the_same_seed_gives_the_same_text_at_every_slider_position(engine, prompts):
    for number, ids in enumerate(prompts[:3]):
        sampling = SamplingSettings(temperature=0.8, top_p=0.95, seed=number, max_tokens=24)
        plain = written(engine, ids, DraftSettings("plain"), sampling)
        for draft in (AUTO, LOOKUP[1], SKIP[4], S3D[1], S3D[7], S3D[17]):
            assert written(engine, ids, draft, sampling) == plain, f"{draft} on {number}"
        moving = itertools.cycle(S3D)
        assert written(engine, ids, lambda moving=moving: next(moving), sampling) == plain


@pytest.mark.thorough
def test_the_share_of_other_tokens_rises_evenly_over_the_slider(engine, prompts):
    """From none at the exact end; a quarter of the way is between 8% and 42% of the whole, and so on."""

    def share(exactness):
        draft = DraftSettings("s3d", skipped=12, draft_length=8, exactness=exactness)
        rounds = [done for ids in prompts for done in engine.generate(ids, draft, SamplingSettings(max_tokens=TOKENS))]
        return sum(done.relaxed for done in rounds) / sum(len(done.ids) for done in rounds)

    shares = [share(exactness) for exactness in (1.0, 0.75, 0.5, 0.25, 0.0)]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert all(abs(shares[i] / shares[4] - i / 4) < 0.17 for i in range(5)), shares


def test_a_reply_cut_off_in_the_middle_is_continued_as_if_it_had_not_been(engine):
    asked = [{"role": "user", "content": "Why does bread rise?"}]
    sampling = SamplingSettings(max_tokens=40)
    rounds = engine.generate(engine.chat_ids(asked), S3D[1], sampling)
    whole = "".join(done.text for done in rounds)
    cut = whole.rindex(" ", 0, len(whole) // 2)
    said = [*asked, {"role": "assistant", "content": whole[:cut]}]
    ids = engine.chat_ids(said, continue_last=True)
    assert engine.tokenizer.decode(ids).endswith(whole[:cut])
    assert said[-1]["content"] == whole[:cut]
    rest = "".join(done.text for done in engine.generate(ids, S3D[1], sampling, within_text=True))
    assert (whole[:cut] + rest).startswith(whole)
