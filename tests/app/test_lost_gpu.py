"""A GPU that is lost while the model writes, and a model that does not fit: what the worker does by itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from ui.scripted import INFO, ScriptedEngine, scripted_parts

from app.engine.link import EngineLink
from app.engine.phase import Phase
from app.engine.sentences import GPU_LOST, ON_CPU, is_gpu_lost
from s3d_core.settings import SamplingSettings

PATIENCE_MS = 10_000
HELLO = [{"role": "user", "content": "Hello"}]
# What torch says when a GPU falls off the bus in the middle of a pass.
LOST = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported")


class LostEngine(ScriptedEngine):
    """On a GPU that is lost at the second round; giving its memory back fails too."""

    def generate(self, *given, **named):
        for count, done in enumerate(super().generate(*given, **named)):
            if count == 1:
                raise LOST
            yield done

    def close(self):
        super().close()
        raise LOST


@pytest.fixture
def open_link(qtbot):
    """Links that are ready, and closed afterwards."""
    opened = []

    def open_one(parts) -> EngineLink:
        link = EngineLink(parts)
        opened.append(link)
        link.start()
        qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
        return link

    yield open_one
    for link in opened:
        link.close()
        qtbot.waitUntil(lambda link=link: link.is_closed, timeout=PATIENCE_MS)


def test_a_gpu_lost_in_the_middle_of_an_answer_leaves_the_model_on_the_cpu(open_link, qtbot):
    lost = LostEngine(info=replace(INFO, device="cuda:0"))
    parts = replace(scripted_parts(lost), open_on_cpu=lambda path, progress: ScriptedEngine())
    link = open_link(parts)
    failed, noticed = [], []
    link.failed.connect(lambda kind, sentence: failed.append((kind, sentence)))
    link.notice.connect(noticed.append)
    link.ask(HELLO, SamplingSettings())
    qtbot.waitUntil(lambda: bool(noticed) and link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert failed == [("answer", GPU_LOST)]
    assert noticed == [ON_CPU]
    assert link.info.device == "cpu"
    with qtbot.waitSignal(link.finished, timeout=PATIENCE_MS) as end:
        link.ask(HELLO, SamplingSettings())
    assert end.args[0].stop_reason == "stop"


def test_an_error_on_the_cpu_loads_nothing_anew(open_link, qtbot):
    engine = ScriptedEngine(fail_after=1)
    link = open_link(replace(scripted_parts(engine), open_on_cpu=lambda path, progress: pytest.fail("not asked for")))
    with qtbot.waitSignal(link.failed, timeout=PATIENCE_MS):
        link.ask(HELLO, SamplingSettings())
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert not engine.closed


def test_what_counts_as_a_lost_gpu():
    assert is_gpu_lost(LOST)
    assert is_gpu_lost(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))
    assert is_gpu_lost(type("AcceleratorError", (RuntimeError,), {})("device-side assert"))
    assert not is_gpu_lost(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_gpu_lost(RuntimeError("the size of tensor a must match"))


def test_a_model_that_does_not_fit_is_refused_and_can_be_loaded_all_the_same(open_link, qtbot):
    """What is in memory stays there until the user insists."""
    engine = ScriptedEngine()
    parts = replace(scripted_parts(engine), refuse=lambda path: "Too large." if path.name == "large" else None)
    link, refused = open_link(parts), []
    link.refused.connect(lambda path, why: refused.append((path.name, why)))
    link.load(Path("/models/large"))
    qtbot.waitUntil(lambda: bool(refused) and link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert refused == [("large", "Too large.")]
    assert not engine.closed
    assert link.info is not None
    link.load(Path("/models/large"), anyway=True)
    qtbot.waitUntil(lambda: engine.closed and link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert len(refused) == 1
