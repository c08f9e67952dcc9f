"""The window's settings, files and context meter on the real engine and the default model."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from app.engine.link import EngineLink
from app.engine.worker import Parts, Phase, real_parts
from app.ui.window import Window

LOADING_MS = 120_000


@dataclass(frozen=True)
class Model:
    name: str
    path: Path


@pytest.fixture
def window(default_model, qapp, qtbot):
    real = real_parts()
    models = [Model("SmolLM2-135M-Instruct", default_model)]
    window = Window(qapp, EngineLink(Parts(real.open_engine, real.fetch_default, lambda: models)))
    window.resize(1400, 900)
    window.show()
    window.link.start()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
    yield window
    window.close()
    qtbot.waitUntil(lambda: window.link.is_closed, timeout=LOADING_MS)
    window.deleteLater()


def ask(window, qtbot, text) -> str:
    window.chat.composer.set_text(text)
    qtbot.keyClick(window.chat.composer.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
    return window.conversation.turns[-1].text


@pytest.mark.slow
def test_settings_files_and_the_meter_on_the_default_model(window, qtbot, tmp_path):
    preferences, composer = window.desk.preferences, window.chat.composer
    for name, value in (("seed", 11), ("temperature", 0.8), ("max_tokens", 16)):
        preferences.set_chat(name, value)

    # The same chat with the same seed is answered alike; written again, otherwise.
    first = ask(window, qtbot, "Name a colour and say why you like it.")
    window.new_chat()
    assert ask(window, qtbot, "Name a colour and say why you like it.") == first
    window.regenerate()
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=LOADING_MS)
    assert window.conversation.turns[-1].text != first

    # A file's tokens are counted by the model's own tokenizer, and the meter counts the chat by its template.
    window.new_chat()
    (tmp_path / "facts.md").write_text("The tower of Quim is 312 metres high.\n" * 3)
    composer.chips.add_paths([tmp_path / "facts.md"])
    qtbot.waitUntil(lambda: "tokens" in composer.chips.chips[0].accessibleName(), timeout=LOADING_MS)
    alone = int(composer.chips.chips[0].tokens.text().split()[0])
    qtbot.waitUntil(lambda: composer.meter.text().endswith(" / 8,192"), timeout=LOADING_MS)
    used = int(composer.meter.text().split()[0])
    assert 40 < alone < 90
    # The template brings a system prompt of its own and the marks of the turns.
    assert alone < used < alone + 60
    preferences.set_chat("temperature", 0.0)
    assert "312" in ask(window, qtbot, "How many metres high is the tower of Quim?")

    # A stop text ends the answer, and a chat that outgrows a small context goes on without its oldest turns.
    preferences.set_chat("stop", ("312",))
    window.new_chat()
    assert "312" not in ask(window, qtbot, "Repeat after me: 312 312 312")
    preferences.set_chat("context", 256)
    for _ in range(2):
        ask(window, qtbot, "word " * 120)
    assert "left out of this answer" in window.chat.notice.text
    assert window.conversation.turns[-1].stop_reason in ("stop", "length")
    preferences.set_chat("overflow", "stop")
    ask(window, qtbot, "word " * 120)
    assert "but the context as it is set holds 256" in window.chat.notice.text
    assert composer.text.startswith("word word")
