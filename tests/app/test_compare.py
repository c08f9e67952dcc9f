"""Measuring plain decoding against drafting, with the real engine and with the thread around it."""

import pytest
from ui.scripted import ScriptedEngine, scripted_parts

from app.chats.overflow import DROP, ContextPlan
from app.engine.compare import TOKENS, TURNS, Comparison, Run, compare
from app.engine.link import EngineLink
from app.engine.phase import Phase
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import Totals

PATIENCE_MS = 10_000
HELLO = [{"role": "user", "content": "Why does bread rise?"}]


@pytest.fixture
def link(qtbot):
    engine = ScriptedEngine(reply="0123456789" * 30, tokens_per_second=2000)
    link = EngineLink(scripted_parts(engine))
    link.engine = engine
    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    yield link
    link.close()
    qtbot.waitUntil(lambda: link.is_closed, timeout=PATIENCE_MS)


def run(ids: tuple[int, ...], ms: float) -> Run:
    return Run(ids, Totals(tokens=len(ids), total_ms=ms))


def test_speeds_are_those_of_all_runs_together():
    runs = Comparison(
        DraftSettings(),
        (run((1, 2, 3, 4), 40.0), run((1, 2, 3, 4), 120.0)),
        (run((1, 2, 3, 4), 20.0), run((1, 2, 3, 4), 60.0)),
    )
    assert runs.plain_speed == pytest.approx(50)
    assert runs.drafted_speed == pytest.approx(100)
    assert runs.ratio == pytest.approx(2)
    assert runs.tokens == 4
    assert runs.differs_at is None


@pytest.mark.parametrize(("other", "place"), [((1, 2, 9, 4), 3), ((1, 2, 3), 4), ((1, 2, 3, 4, 5), 5)])
def test_the_first_token_that_differs_is_found_in_any_run(other, place):
    same = run((1, 2, 3, 4), 1.0)
    assert Comparison(DraftSettings(), (same, same), (same, run(other, 1.0))).differs_at == place
    assert Comparison(DraftSettings(), (same, run(other, 1.0)), (same, same)).differs_at == place


def test_the_real_engine_writes_the_same_text_with_and_without_drafts(default_model, compiled_code):
    from s3d_core.engine import Engine

    engine, steps, tokens = Engine.load(default_model, compiled=compiled_code), [], 40
    sampling = SamplingSettings(temperature=0.8, seed=7)
    found = compare(
        engine, HELLO, DraftSettings(tree_size=8), sampling, lambda: False, lambda *step: steps.append(step), tokens
    )
    assert found.differs_at is None
    assert found.tokens == tokens
    assert len(found.plain) == len(found.drafted) == TURNS
    assert all(one.totals.drafted == 0 for one in found.plain)
    assert all(one.totals.accepted > 0 for one in found.drafted)
    # What the first drafted run wrote is unknown to the second: it has to draft it all again.
    assert len({one.totals.rounds for one in found.drafted}) == 1
    assert found.plain_speed > 0
    assert steps == sorted(steps)
    assert steps[-1] == (2 * TURNS * tokens, 2 * TURNS * tokens)


def test_the_thread_measures_in_turn_and_tells_how_far_it_is(link, qtbot):
    steps = []
    link.compare_progress.connect(lambda *step: steps.append(step))
    wish = DraftSettings(skipped=5)
    with qtbot.waitSignal(link.compared, timeout=PATIENCE_MS) as end:
        link.compare(wish, HELLO, SamplingSettings(seed=3))
        assert link.phase == Phase.COMPARING
    assert end.args[0].settings == wish
    strategies = [settings.strategy for settings in link.engine.seen]
    assert [name for at, name in enumerate(strategies) if at == 0 or strategies[at - 1] != name] == 2 * ["plain", "s3d"]
    assert {(of.seed, of.max_tokens) for of in link.engine.sampled} == {(3, TOKENS)}
    assert steps
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)


def test_a_chat_longer_than_the_context_is_measured_without_its_oldest_turns(link, qtbot):
    turns = [("user", "old " * 60), ("assistant", "said " * 60), ("user", "newest")]
    messages = [{"role": role, "content": text} for role, text in turns]
    with qtbot.waitSignal(link.compared, timeout=PATIENCE_MS):
        link.compare(DraftSettings(), messages, SamplingSettings(), ContextPlan(limit=100, overflow=DROP))
    assert link.engine.asked[-1] == messages[-1:]


def test_a_stopped_measurement_gives_nothing_and_is_no_failure(link, qtbot):
    link.engine.tokens_per_second = 50
    failures = []
    link.failed.connect(lambda kind, sentence: failures.append(sentence))
    with qtbot.waitSignal(link.compared, timeout=PATIENCE_MS) as end:
        link.compare(DraftSettings(), HELLO, SamplingSettings())
        qtbot.waitUntil(lambda: len(link.engine.seen) > 2, timeout=PATIENCE_MS)
        link.stop()
    assert end.args[0] is None
    assert failures == []


def test_a_measurement_that_fails_says_so_and_leaves_the_model_ready(link, qtbot):
    link.engine.fail_after = 3
    with qtbot.waitSignal(link.failed, timeout=PATIENCE_MS) as end:
        link.compare(DraftSettings(), HELLO, SamplingSettings())
    assert end.args[0] == "compare"
    assert "scripted accident" in end.args[1]
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
