"""A model that does not fit into the memory, as the window shows it."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from ui.scripted import ScriptedEngine, scripted_parts

from app.engine.phase import Phase

PATIENCE_MS = 10_000
WHY = "Large needs 12.0 GB as bfloat16 with a context of 4,096 tokens, but only 6.0 GB are not held by other programs."


def test_the_notice_names_why_and_loads_it_when_told_to(open_window, qtbot):
    opened = []

    def open_engine(path, progress):
        opened.append(path.name)
        return ScriptedEngine()

    parts = scripted_parts(ScriptedEngine())
    parts = replace(parts, open_engine=open_engine, refuse=lambda path: WHY if path.name == "large" else None)
    window = open_window(parts)
    window.link.load(Path("/models/large"))
    qtbot.waitUntil(lambda: window.chat.notice.text == WHY, timeout=PATIENCE_MS)
    assert opened == ["scripted"]
    assert window.topbar.models.currentText() == "Scripted-135M"
    assert window.link.info is not None
    qtbot.mouseClick(window.chat.notice._action, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: opened == ["scripted", "large"] and window.link.phase == Phase.READY, timeout=PATIENCE_MS)
