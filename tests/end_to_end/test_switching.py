"""Models come and go in the middle of a chat, and their memory with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from core.files import save_folder
from end_to_end.test_window_chat import LOADING_MS, Model, send

from app.engine.link import EngineLink
from app.engine.parts import Parts, real_parts
from app.engine.phase import Phase
from app.ui.window import Window

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, sys
from pathlib import Path
import psutil
from s3d_core.engine import Engine
from s3d_core.settings import DraftSettings, SamplingSettings

told = []
for _ in range(4):
    engine = Engine.load(Path(sys.argv[1]), compiled=Path(sys.argv[2]))
    ids = engine.chat_ids([{"role": "user", "content": "Why does bread rise?"}])
    for done in engine.generate(ids, DraftSettings("auto"), SamplingSettings(max_tokens=40)):
        pass
    held, weights = psutil.Process().memory_info().rss, engine.memory()["weights"]
    engine.close()
    told.append((held, psutil.Process().memory_info().rss, weights))
print(json.dumps(told))
"""


@pytest.fixture
def window(default_model, tmp_path, qapp, qtbot):
    small = save_folder(tmp_path / "small")
    models = [Model("SmolLM2-135M-Instruct", default_model), Model("Small", small)]
    real = real_parts()
    window = Window(qapp, EngineLink(Parts(real.open_engine, real.fetch_default, lambda: models)))
    window.show()
    qtbot.waitExposed(window)
    window.link.start()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
    yield window
    window.close()
    qtbot.waitUntil(lambda: window.link.is_closed, timeout=LOADING_MS)
    window.deleteLater()


@pytest.mark.slow
def test_a_chat_goes_on_with_another_model_also_in_the_middle_of_an_answer(window, qtbot):
    ends = []
    window.link.finished.connect(lambda totals: ends.append(totals.stop_reason))

    def chosen(number):
        window.topbar.models.setCurrentIndex(number)
        window.topbar.models.activated.emit(number)
        qtbot.waitUntil(lambda: window.link.phase == Phase.LOADING, timeout=LOADING_MS)
        qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
        return window.link.info.depth

    send(window, qtbot, "Tell a long story of a lighthouse keeper and the sea, in ten chapters.")
    qtbot.waitUntil(lambda: window.conversation.turns[-1].text.count(" ") > 10, timeout=LOADING_MS)
    assert chosen(1) == 6
    assert ends == ["cancelled"]
    begun = window.conversation.turns[-1].text
    assert begun.count(" ") > 10
    send(window, qtbot, "w7 w9 w11")
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=LOADING_MS)
    assert chosen(0) == 30
    send(window, qtbot, "What is the capital of France?")
    qtbot.waitUntil(lambda: len(ends) == 3, timeout=LOADING_MS)
    assert [turn.role for turn in window.conversation.turns] == ["user", "assistant"] * 3
    assert window.conversation.turns[1].text == begun
    assert window.conversation.turns[-1].text


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other ways")
def test_a_model_that_goes_gives_its_memory_back(default_model, tmp_path):
    # An empty folder: with one shared, the compiler might first be needed, and stay, in the last of the loads.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(default_model), str(tmp_path / "compiled")],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    for held, left, weights in told:
        assert held - left > 0.9 * weights
    # And nothing gathers: the first time also brings in libraries.
    lefts = [left for _, left, _ in told]
    assert lefts[-1] < 1.05 * lefts[1]
