"""The benchmark's arithmetic by hand, and its contenders against each other."""

import copy
import json
import math
import sys
from dataclasses import dataclass, field

import pytest
import torch
from core.models import build, engine_for

from s3d_core.bench import llama
from s3d_core.bench.bandwidth import read_bandwidth
from s3d_core.bench.contenders import TRANSFORMERS, Ours, Reply, Transformers, assemble
from s3d_core.bench.gguf_formats import in_format
from s3d_core.bench.run import Row, measure, ratios, spread, summary, table
from s3d_core.bench.traffic import Traffic
from s3d_core.errors import SettingError
from s3d_core.layer import LINEARS
from s3d_core.settings import STRATEGIES, DraftSettings, SamplingSettings

PROMPT = [7, 9, 11, 13, 5]
GREEDY = SamplingSettings(max_tokens=24)
DRAFT = DraftSettings("s3d", skipped=2, draft_length=4, tree_size=12)


def a_reply(tokens, decode_ms, rounds=None, first_tokens=1, first_ms=5.0, accepted=(), tried=(), ids=None):
    ids = list(range(tokens)) if ids is None else ids
    return Reply(ids, first_ms, decode_ms, first_tokens, rounds or tokens, list(accepted), list(tried))


def test_spread():
    assert spread([]) == (None, None, None)
    assert spread([3.0]) == (3.0, 3.0, 3.0)
    assert spread([1.0, 2.0]) == (1.25, 1.5, 1.75)
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == (2.0, 3.0, 4.0)


def test_a_replys_speed_is_that_behind_the_first_pass():
    assert a_reply(11, 100.0).tokens_per_second == 100.0
    assert a_reply(11, 100.0, first_tokens=6).tokens_per_second == 50.0
    assert a_reply(4, 0.0, rounds=1, first_tokens=4).tokens_per_second is None
    assert a_reply(12, 1.0, rounds=4).tokens_per_round == 3.0


def test_ratios_are_taken_prompt_by_prompt():
    """The median of ratios, not the ratio of medians: prompts differ more than strategies."""
    row = Row("s3d", [a_reply(11, 50.0), a_reply(11, 400.0), a_reply(1, 0.0, rounds=1), a_reply(11, 10.0)])
    other = Row("plain", [a_reply(11, 100.0), a_reply(11, 1000.0), a_reply(11, 100.0), a_reply(11, 30.0)])
    assert ratios(row, other) == pytest.approx([2.0, 2.5, 3.0])
    with pytest.raises(ValueError, match="shorter"):
        ratios(row, Row("plain", other.replies[:2]))


def test_acceptance_counts_only_rounds_that_tried_a_slot():
    row = Row("s3d", [a_reply(4, 1.0, accepted=[3, 1], tried=[4, 4]), a_reply(4, 1.0, accepted=[1], tried=[4])])
    assert row.acceptance == [0.5, 0.25]
    assert Row("hf", [a_reply(4, 1.0)]).acceptance == []
    assert row.tokens_per_round == 1.0


@pytest.fixture
def rows():
    plain = Row("plain", [a_reply(11, 100.0), a_reply(11, 200.0)], ["code", "chat"])
    s3d = Row(
        "s3d",
        [
            a_reply(11, 50.0, rounds=5, accepted=[3], tried=[5], first_ms=7.0),
            a_reply(11, 80.0, rounds=6, accepted=[3], tried=[5], first_ms=9.0, ids=[1] * 11),
        ],
        ["code", "chat"],
    )
    return [plain, s3d]


def test_summary(rows):
    plain, s3d = summary(rows)
    assert plain["ratio"] == {"plain": {"median": 1.0, "quartiles": [1.0, 1.0]}}
    assert s3d == {
        "strategy": "s3d",
        "prompts": 2,
        "tokens": 22,
        "tokens_per_second": {"median": 162.5, "quartiles": [143.75, 181.25]},
        "tokens_per_round": 2.0,
        "acceptance_per_slot": [0.6],
        "time_to_first_token_ms": 8.0,
        "peak_bytes": None,
        "bytes_per_second": {"median": None, "quartiles": [None, None]},
        "share_of_bandwidth": None,
        "same_text_as_plain": 1,
        "ratio": {"plain": {"median": 2.25, "quartiles": [2.125, 2.375]}},
        "steady_ratio": None,
        "by_category": {
            "chat": {
                "prompts": 1,
                "tokens_per_round": 11 / 6,
                "tokens_per_second": 125.0,
                "ratio_to_plain": 2.5,
                "steady_ratio": None,
            },
            "code": {
                "prompts": 1,
                "tokens_per_round": 2.2,
                "tokens_per_second": 200.0,
                "ratio_to_plain": 2.0,
                "steady_ratio": None,
            },
        },
        "by_prompt": [
            {"category": "code", "tokens_per_second": 200.0, "ratio": 2.0},
            {"category": "chat", "tokens_per_second": 125.0, "ratio": 2.5},
        ],
    }
    json.dumps([plain, s3d], allow_nan=False)


def test_without_plain_the_first_is_what_others_are_compared_with(rows):
    rows[0].name = "hf"
    hf, s3d = summary(rows)
    assert set(s3d["ratio"]) == {"hf"}
    assert "ratio_to_hf" in s3d["by_category"]["code"]
    assert hf["same_text_as_plain"] == 2


def test_table(rows):
    lines = table(summary(rows)).splitlines()
    assert lines[0].split("  ")[0] == "strategy"
    assert "x plain" in lines[0]
    assert "x hf" not in lines[0]
    assert lines[2].split() == [
        *("s3d", "162.5", "(143.8-181.2)", "2.00", "2.25", "(2.12-2.38)", "8", "ms", "1/2"),
    ]
    starts = [line.index(word) for line, word in zip(lines, ("tokens/s", "75.0", "162.5"), strict=True)]
    assert len(set(starts)) == 1


def test_what_could_not_be_timed_is_a_dash():
    """A reply that came whole with the first pass has no speed; JSON knows no NaN."""
    records = summary([Row("plain", [a_reply(1, 0.0)], ["all"])])
    assert table(records).splitlines()[1].split()[:4] == ["plain", "-", "(---)", "1.00"]
    json.dumps(records, allow_nan=False)


@dataclass
class Noted:
    """A contender that only notes when its turn is."""

    name: str
    log: list
    asked: list = field(default_factory=list)
    held: int | None = 5_000_000

    def reply(self, ids, sampling):
        self.log.append((self.name, ids[0]))
        self.asked.append(sampling)
        return a_reply(3, 1.0)


def test_contenders_take_turns_and_change_who_begins():
    log, reported = [], []
    contenders = [Noted(name, log) for name in "abc"]
    prompts = [("x", [10]), ("y", [20]), ("x", [30]), ("y", [40])]
    rows = measure(contenders, prompts, GREEDY, lambda done, name: reported.append((done, name)))
    warm_up, measured = log[:3], log[3:]
    assert warm_up == [("a", 10), ("b", 10), ("c", 10)]
    order = ["abc", "bca", "cab", "abc"]
    assert measured == [(name, ids[0]) for names, (_, ids) in zip(order, prompts, strict=True) for name in names]
    assert reported == [(n, name) for n, names in enumerate(order) for name in names]
    for row, contender in zip(rows, contenders, strict=True):
        assert row.name == contender.name
        assert len(row.replies) == 4
        assert row.categories == ["x", "y", "x", "y"]
        assert [s.max_tokens for s in contender.asked] == [8, 24, 24, 24, 24]


@pytest.fixture(scope="module")
def arena():
    """An engine and the stock model of the same weights."""
    model = build("llama")
    stock = copy.deepcopy(model)
    # A checkpoint may bring sampling habits of its own; they must not reach greedy text.
    stock.generation_config.repetition_penalty = 1.7
    return engine_for(model), stock


def test_every_contender_writes_the_same_greedy_text(arena):
    engine, stock = arena
    loads = []
    contenders = assemble([*STRATEGIES, *TRANSFORMERS], engine, DRAFT, lambda: loads.append(1) or stock)
    assert [c.name for c in contenders] == [*STRATEGIES, *TRANSFORMERS]
    assert loads == [1]
    for prompt in (PROMPT, [8, 30, 7], [4] * 40):
        replies = {c.name: c.reply(prompt, GREEDY) for c in contenders}
        for name, reply in replies.items():
            assert reply.ids == replies["plain"].ids, name
            assert 0 < len(reply.ids) <= 24
            assert 1 <= reply.first_tokens <= len(reply.ids)
            assert reply.first_ms > 0
            assert reply.decode_ms > 0
            assert 0 < reply.rounds <= len(reply.ids)
        assert replies["plain"].rounds == replies["hf"].rounds == len(replies["plain"].ids)
        assert sum(replies["s3d"].accepted_per_slot) == len(replies["s3d"].ids) - replies["s3d"].rounds


def test_early_exit_drafts_with_the_first_layers_only(arena):
    engine, stock = arena
    ran = []
    hooks = [
        layer.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, layer in enumerate(stock.model.layers)
    ]
    try:
        reply = Transformers("hf-early-exit", stock, engine.stop_ids, 3).reply(PROMPT, GREEDY)
    finally:
        for hook in hooks:
            hook.remove()
    assert ran.count(2) > ran.count(3) == ran.count(5) > 0
    assert stock.config.num_hidden_layers == 6
    assert len(reply.ids) == 24


def test_a_reply_starts_from_a_cold_cache_every_time(arena):
    engine, _ = arena
    ours = Ours(engine, DRAFT)
    first, again = ours.reply(PROMPT, GREEDY), ours.reply(PROMPT, GREEDY)
    assert (first.ids, first.rounds, first.tried_per_slot) == (again.ids, again.rounds, again.tried_per_slot)


def test_stop_tokens_end_every_contenders_reply(arena):
    engine, stock = arena
    stop = Ours(engine, DRAFT).reply(PROMPT, GREEDY).ids[9]
    before, engine.stop_ids = engine.stop_ids, frozenset({stop})
    try:
        replies = [
            c.reply(PROMPT, GREEDY).ids for c in assemble([*STRATEGIES, *TRANSFORMERS], engine, DRAFT, lambda: stock)
        ]
    finally:
        engine.stop_ids = before
    assert all(ids == replies[0] for ids in replies)
    assert replies[0][-1] == stop
    assert len(replies[0]) <= 10


def test_the_peers_are_compared_greedily_only(arena):
    engine, stock = arena
    hot = SamplingSettings(temperature=0.7, max_tokens=4)
    with pytest.raises(SettingError, match="temperature 0 only; leave out hf"):
        Transformers("hf", stock, engine.stop_ids, 3).reply(PROMPT, hot)
    assert len(Ours(engine, DRAFT).reply(PROMPT, hot).ids) == 4


def test_names_that_cannot_take_part(arena):
    engine, _ = arena
    with pytest.raises(
        SettingError, match="There is no strategy 'magic'; choose from plain, lookup, skip, s3d, auto, hf"
    ):
        assemble(["plain", "magic"], engine, DRAFT, pytest.fail)
    without = {name: s for name, s in engine.strategies.items() if name != "s3d"}
    before, engine.strategies = engine.strategies, without
    try:
        with pytest.raises(SettingError, match="no draft adapter, so s3d cannot run"):
            assemble(["s3d"], engine, DRAFT, pytest.fail)
    finally:
        engine.strategies = before


def test_a_whole_measurement(arena):
    engine, stock = arena
    contenders = assemble(["plain", "s3d", "hf"], engine, DRAFT, lambda: stock)
    rows = measure(contenders, [("a", PROMPT), ("b", [8, 30, 7])], GREEDY, lambda done, name: None)
    records = summary(rows)
    assert [r["same_text_as_plain"] for r in records] == [2, 2, 2]
    assert all(math.isfinite(r["ratio"]["hf"]["median"]) for r in records)
    assert len(table(records).splitlines()) == 4


def test_a_rounds_traffic_counts_every_weight_that_its_passes_read(arena):
    engine, _ = arena
    traffic = Traffic(engine)
    target = engine.target
    layers = [sum(getattr(layer, name).numel() for name in LINEARS) for layer in target.layers]
    assert traffic.plain == 4 * (sum(layers) + target.head.numel())
    done = next(engine.generate(PROMPT, DRAFT, GREEDY))
    kept = target.kept_layers(2)
    updates = sum(t.numel() for i in kept for pair in engine.adapter.updates.get(i, {}).values() for t in pair)
    assert traffic.of(done) == traffic.plain + 4 * (sum(layers[i] for i in kept) + updates + target.head.numel())


def test_bandwidth_is_that_of_a_machine():
    assert 1e8 < read_bandwidth(torch.device("cpu"), 64 * 1024**2) < 1e13


def test_llama_that_is_not_installed_is_said_with_how(monkeypatch):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(SettingError, match="pip install llama-cpp-python"):
        llama.check()


def test_a_folder_is_nothing_for_llama(tmp_path):
    with pytest.raises(SettingError, match="reads GGUF files only"):
        in_format(tmp_path, "q8_0", tmp_path)
