"""The link and the worker behind it, without a window."""

import gc
import threading
import weakref

import pytest
from ui.scripted import ScriptedEngine, scripted_parts

from app.chats.overflow import ContextPlan
from app.engine.link import EngineLink
from app.engine.live import LiveSettings
from app.engine.parts import Parts
from app.engine.phase import Phase
from app.engine.sentences import explain
from s3d_core.errors import ModelError, PromptError
from s3d_core.settings import DraftSettings, SamplingSettings

PATIENCE_MS = 10_000
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def make_link(qtbot):
    made = []

    def make(parts: Parts, ready: bool = True) -> EngineLink:
        link = EngineLink(parts)
        made.append(link)
        link.start()
        if ready:
            qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
        return link

    yield make
    for link in made:
        link.close()
        qtbot.waitUntil(lambda link=link: link.is_closed, timeout=PATIENCE_MS)


def test_rounds_arrive_in_order_before_the_end(make_link, qtbot):
    engine = ScriptedEngine(reply="0123456789" * 400, tokens_per_second=2000)
    link, events = make_link(scripted_parts(engine)), []
    link.rounds_done.connect(lambda rounds: events.append("".join(done.text for done in rounds)))
    with qtbot.waitSignal(link.finished, timeout=PATIENCE_MS) as end:
        link.ask(HELLO, SamplingSettings())
    totals = end.args[0]
    assert "".join(events) == engine.reply
    assert 1 < len(events) < totals.rounds
    assert totals.tokens == 1000
    assert totals.plain_ms == engine.plain_ms


def test_the_first_model_is_loaded_and_its_settings_taken(make_link):
    link = make_link(scripted_parts(ScriptedEngine()))
    assert link.info.name == "Scripted-135M"
    assert link.settings.value == link.info.defaults
    assert link.plain_ms == 10.0


def test_a_model_that_was_not_measured_is_measured(make_link):
    engine = ScriptedEngine(plain_ms=None)

    def measure():
        engine.plain_ms = 7.0
        return 7.0

    engine.measure_plain = measure
    assert make_link(scripted_parts(engine)).plain_ms == 7.0


def test_another_model_is_loaded_only_when_the_first_is_gone(make_link, qtbot):
    order = []

    class Watched(ScriptedEngine):
        def close(self):
            order.append("closed")

    good = scripted_parts(Watched())

    def open_engine(path, progress):
        order.append("opened")
        return Watched()

    link = make_link(Parts(open_engine, good.fetch_default, good.list_models))
    with qtbot.waitSignal(link.loaded, timeout=PATIENCE_MS):
        link.load(good.list_models()[0].path)
    assert order == ["opened", "closed", "opened"]


def test_a_given_up_engine_is_garbage_even_when_it_points_at_itself(make_link, qtbot):
    seen = []

    class Knotted(ScriptedEngine):
        def close(self):
            super().close()
            gc.collect()

    def open_engine(path, progress):
        from app.engine.preload import settling

        with settling():
            engine = Knotted()
            part = type("Part", (), {})()
            part.itself = part
            engine.part = part
            seen.append(weakref.ref(part))
            return engine

    good = scripted_parts(ScriptedEngine())
    link = make_link(Parts(open_engine, good.fetch_default, good.list_models))
    with qtbot.waitSignal(link.unloaded, timeout=PATIENCE_MS):
        link.unload()
    gc.collect()
    assert seen[0]() is None


def test_stop_before_the_answer_has_begun_ends_it(make_link, qtbot):
    link = make_link(scripted_parts(ScriptedEngine(reply="x" * 4000)))
    with qtbot.waitSignal(link.finished, timeout=PATIENCE_MS) as end:
        link.ask(HELLO, SamplingSettings())
        link.stop()
    assert end.args[0].stop_reason == "cancelled"
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)


def test_unloading_mid_answer_gives_the_memory_back(make_link, qtbot):
    engine = ScriptedEngine(reply="x" * 40_000)
    link, memory = make_link(scripted_parts(engine)), []
    link.memory_changed.connect(memory.append)
    link.ask(HELLO, SamplingSettings())
    qtbot.waitUntil(lambda: link.phase == Phase.WRITING, timeout=PATIENCE_MS)
    with qtbot.waitSignal(link.unloaded, timeout=PATIENCE_MS):
        link.unload()
    assert engine.closed
    assert memory[-1] == {}
    qtbot.waitUntil(lambda: link.phase == Phase.EMPTY, timeout=PATIENCE_MS)


def test_a_stopped_download_is_no_failure(make_link, qtbot):
    import time

    def fetch(progress):
        try:
            for step in range(1000):
                progress("Fetching", step / 1000)
                time.sleep(0.01)
        except Exception as error:
            raise ModelError("The download failed.") from error

    link = make_link(Parts(lambda path, progress: ScriptedEngine(), fetch, list), ready=False)
    failures = []
    link.failed.connect(lambda kind, sentence: failures.append(sentence))
    qtbot.waitUntil(lambda: link.phase == Phase.FETCHING, timeout=PATIENCE_MS)
    link.stop()
    qtbot.waitUntil(lambda: link.phase == Phase.EMPTY, timeout=PATIENCE_MS)
    assert failures == []


def test_tokens_are_counted_without_a_phase(make_link, qtbot):
    link, phases = make_link(scripted_parts(ScriptedEngine())), []
    link.phase_changed.connect(phases.append)
    with qtbot.waitSignal(link.counted, timeout=PATIENCE_MS) as counted:
        link.count([*HELLO, {"role": "assistant", "content": "one two"}], ["a b c", ""])
    assert counted.args == [9, [3, 0]]
    assert phases == []


def test_of_counts_that_wait_only_the_last_is_done(make_link, qtbot):
    link, counted = make_link(scripted_parts(ScriptedEngine(reply="x" * 400, tokens_per_second=400))), []
    link.counted.connect(lambda whole, each: counted.append(whole))
    link.ask(HELLO, SamplingSettings())
    for words in range(20):
        link.count([{"role": "user", "content": "word " * words}])
    qtbot.waitUntil(lambda: bool(counted), timeout=PATIENCE_MS)
    qtbot.wait(50)
    assert counted == [22]


def test_a_chat_that_the_template_refuses_counts_as_nothing_and_no_failure_is_told(make_link, qtbot, monkeypatch):
    engine = ScriptedEngine()

    def refuse(messages):
        raise PromptError("The prompt is empty; type a question first.")

    monkeypatch.setattr(engine, "count", refuse)
    link = make_link(scripted_parts(engine))
    with qtbot.waitSignal(link.counted, timeout=PATIENCE_MS) as counted, qtbot.assertNotEmitted(link.failed):
        link.count(HELLO)
    assert counted.args == [0, []]


LONG_CHAT = [{"role": ("user", "assistant")[at % 2], "content": "word " * 97} for at in range(9)]


def test_turns_that_do_not_fit_are_left_out_and_told(make_link, qtbot):
    engine = ScriptedEngine()
    link = make_link(scripted_parts(engine))
    with qtbot.waitSignals([link.dropped, link.finished], timeout=PATIENCE_MS):
        link.ask(LONG_CHAT, SamplingSettings(max_tokens=100), ContextPlan(700, "drop"))
    # Nine messages of 100 tokens, and 600 of 700 tokens are the prompt's.
    assert engine.asked == [LONG_CHAT[4:]]
    assert engine.contexts == [700]


def test_with_the_other_policy_all_turns_are_sent(make_link, qtbot):
    engine = ScriptedEngine()
    link = make_link(scripted_parts(engine))
    with qtbot.waitSignal(link.finished, timeout=PATIENCE_MS), qtbot.assertNotEmitted(link.dropped):
        link.ask(LONG_CHAT, SamplingSettings(), ContextPlan(700, "stop"))
    assert engine.asked == [LONG_CHAT]


def test_live_settings_are_swapped_whole():
    live, other = LiveSettings(), DraftSettings(skipped=3)
    live.swap(other)
    assert live.value is other


def test_known_errors_are_told_as_they_are_and_others_in_one_line(caplog):
    assert explain(ModelError("No such model.")) == "No such model."
    assert explain(RuntimeError("CUDA out of memory. Tried ...")).startswith("There is not enough memory")
    assert explain(ValueError("first\nsecond")) == "Something went wrong: first"
    assert explain(KeyError()) == "Something went wrong: KeyError"
    assert "unexpected error" in caplog.text


def test_no_loan_is_waited_for_in_vain_when_the_link_is_closed(make_link, qtbot):
    """A program that is served asks from a thread of its own, also in the moment in which the window is closed."""
    link = make_link(scripted_parts(ScriptedEngine()))
    taken, called = [], []

    def ask():
        while link.borrow(lambda engine, stopped: called.append(1)):
            taken.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    qtbot.waitUntil(lambda: len(called) > 50, timeout=PATIENCE_MS)
    link.close()
    for thread in threads:
        thread.join()
    qtbot.waitUntil(lambda: link.is_closed, timeout=PATIENCE_MS)
    assert len(called) == len(taken)


def test_a_link_that_was_never_started_lends_nothing(qtbot):
    link = EngineLink(scripted_parts(ScriptedEngine()))
    link.close()
    assert link.is_closed
    assert not link.borrow(lambda engine, stopped: None)
