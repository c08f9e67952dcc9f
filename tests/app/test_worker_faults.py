"""The worker's thread survives whatever is raised in it, wherever, and says so in one sentence."""

from dataclasses import dataclass

import pytest
from ui.scripted import ScriptedEngine, scripted_parts

from app.chats.overflow import ContextPlan
from app.engine.link import EngineLink
from app.engine.parts import Parts
from app.engine.phase import Phase
from app.engine.sentences import GPU_LOST, explain
from s3d_core.errors import OUT_OF_MEMORY, ModelError
from s3d_core.settings import DraftSettings, SamplingSettings

PATIENCE_MS = 60_000
HELLO = [{"role": "user", "content": "Hello"}]
TORCHS = "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: can't allocate memory: you tried to allocate"


@dataclass
class Fault:
    """Raises `error` where `point` is passed for the first time."""

    point: str = ""
    error: BaseException | None = None

    def at(self, point: str) -> None:
        if point == self.point and self.error is not None:
            error, self.error = self.error, None
            raise error


@dataclass
class FaultyEngine(ScriptedEngine):
    """A scripted engine with points at which it can fail."""

    fault: Fault | None = None

    def chat_ids(self, messages):
        self.fault.at("chat_ids")
        return super().chat_ids(messages)

    def generate(self, *given, **named):
        self.fault.at("generate")
        for count, done in enumerate(super().generate(*given, **named)):
            if count == 2:
                self.fault.at("a round")
            yield done

    def measure_plain(self):
        self.fault.at("measure_plain")
        self.plain_ms = 10.0
        return self.plain_ms

    def memory(self):
        self.fault.at("memory")
        return super().memory()

    def count(self, messages):
        self.fault.at("count")
        return super().count(messages)

    def count_text(self, text):
        self.fault.at("count_text")
        return super().count_text(text)

    def forget_texts(self):
        self.fault.at("forget_texts")

    def close(self):
        super().close()
        self.fault.at("close")


@pytest.fixture
def fault() -> Fault:
    return Fault()


@pytest.fixture
def link(qtbot, fault):
    """A link to an engine with faults, and the failures that it told."""
    good = scripted_parts(FaultyEngine(fault=fault))
    models = good.list_models()

    def list_models():
        fault.at("list_models")
        return models if fault.point != "fetch_default" else []

    def fetch_default(progress):
        fault.at("fetch_default")
        return good.fetch_default(progress)

    def refuse(path):
        fault.at("refuse")

    def open_engine(path, progress):
        fault.at("open_engine")
        return FaultyEngine(fault=fault, plain_ms=None if fault.point == "measure_plain" else 10.0)

    link = EngineLink(Parts(open_engine, fetch_default, list_models, refuse))
    link.failures = []
    link.failed.connect(lambda kind, sentence: link.failures.append((kind, sentence)))
    yield link
    link.close()
    qtbot.waitUntil(lambda: link.is_closed, timeout=PATIENCE_MS)


def answer(link, qtbot):
    """Totals of an answer."""
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    with qtbot.waitSignal(link.finished, timeout=PATIENCE_MS) as end:
        link.ask(HELLO, SamplingSettings())
    return end.args[0]


class MuteError(Exception):
    """Cannot even say what it is."""

    def __str__(self):
        raise RuntimeError("no words")


ERRORS = [
    MuteError(),
    RuntimeError("an accident\nof two lines"),
    MemoryError(),
    RecursionError("too deep"),
    SystemExit(3),
    KeyboardInterrupt(),
    ModelError("The model is damaged: fetch it again."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("point", ["list_models", "fetch_default", "refuse", "open_engine", "measure_plain", "memory"])
def test_whatever_is_raised_while_a_model_is_opened_is_said_and_can_be_tried_again(link, fault, qtbot, point, error):
    fault.point, fault.error = point, error
    link.start()
    qtbot.waitUntil(lambda: bool(link.failures), timeout=PATIENCE_MS)
    ((_, sentence),) = link.failures
    assert sentence
    assert "\n" not in sentence
    qtbot.waitUntil(lambda: link.phase in (Phase.EMPTY, Phase.READY), timeout=PATIENCE_MS)
    if link.phase == Phase.EMPTY:
        link.open_first()
    assert answer(link, qtbot).stop_reason == "stop"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("point", ["chat_ids", "generate", "a round", "memory"])
def test_whatever_is_raised_in_an_answer_is_said_and_the_next_one_comes(link, fault, qtbot, point, error):
    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    fault.point, fault.error = point, error
    link.ask(HELLO, SamplingSettings())
    qtbot.waitUntil(lambda: bool(link.failures), timeout=PATIENCE_MS)
    ((kind, sentence),) = link.failures
    assert kind == ("memory" if isinstance(error, MemoryError) else "answer")
    assert "\n" not in sentence
    assert answer(link, qtbot).stop_reason == "stop"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("point", ["count", "count_text", "chat_ids", "forget_texts", "a round"])
def test_whatever_is_raised_while_it_counts_or_compares_is_said_and_the_next_answer_comes(
    link, fault, qtbot, point, error
):
    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    fault.point, fault.error = point, error
    if point.startswith("count"):
        link.count(HELLO, ["Hello"])
    else:
        link.compare(DraftSettings(), HELLO, SamplingSettings(), ContextPlan())
    qtbot.waitUntil(lambda: bool(link.failures), timeout=PATIENCE_MS)
    ((kind, sentence),) = link.failures
    assert kind == ("count" if point.startswith("count") else "compare")
    assert "\n" not in sentence
    assert answer(link, qtbot).stop_reason == "stop"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_is_raised_with_the_engine_that_was_lent_leaves_the_thread_alive(link, qtbot, error):
    def use(engine, is_stopped):
        raise error

    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert link.borrow(use)
    assert answer(link, qtbot).stop_reason == "stop"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_model_that_cannot_be_given_up_in_order_is_given_up(link, fault, qtbot, error):
    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    fault.point, fault.error = "close", error
    with qtbot.waitSignal(link.unloaded, timeout=PATIENCE_MS):
        link.unload()
    qtbot.waitUntil(lambda: link.phase == Phase.EMPTY, timeout=PATIENCE_MS)
    link.open_first()
    assert answer(link, qtbot).stop_reason == "stop"


def test_an_error_in_the_moment_of_stopping_still_ends_the_reply(link, fault, qtbot):
    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    fault.point, fault.error = "a round", RuntimeError("torn")
    with qtbot.waitSignal(link.finished, timeout=PATIENCE_MS) as end:
        link.ask(HELLO, SamplingSettings())
        link.stop()
    assert end.args[0].stop_reason == "cancelled"


@pytest.mark.parametrize("said", ["CUDA out of memory. Tried to allocate 2 GiB", TORCHS, "Cannot allocate memory (12)"])
def test_every_way_of_running_out_of_memory_is_known(said):
    assert explain(RuntimeError(said)) == OUT_OF_MEMORY


def test_a_gpu_that_disappears_is_explained(caplog):
    assert explain(RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")) == GPU_LOST
    assert "unspecified launch failure" in caplog.text
