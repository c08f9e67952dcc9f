from collections.abc import Callable, Iterator

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from ui.scripted import ScriptedEngine, scripted_parts

from app.chats.store import Store
from app.engine.link import EngineLink
from app.engine.parts import Parts
from app.engine.phase import Phase
from app.ui.language import speak
from app.ui.settings.preferences import Preferences
from app.ui.window import Window

PATIENCE_MS = 10_000


@pytest.fixture(scope="session")
def qapp_cls():
    QApplication.setStyle("Fusion")
    return QApplication


@pytest.fixture(scope="session", autouse=True)
def _english(qapp) -> None:
    """The plurals of the source's language, as the program loads them."""
    speak("en")


@pytest.fixture
def open_window(qapp, qtbot) -> Iterator[Callable[..., Window]]:
    """Opens real windows on the parts given; closes them afterwards and checks that no thread is left."""
    opened: list[Window] = []

    def open_one(
        parts: Parts,
        ready: bool = True,
        size: tuple[int, int] = (1200, 800),
        store: Store | None = None,
        preferences: Preferences | None = None,
    ) -> Window:
        window = Window(qapp, EngineLink(parts), store=store, preferences=preferences)
        opened.append(window)
        window.resize(*size)
        window.show()
        qtbot.waitExposed(window)
        window.link.start()
        if ready:
            qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
        return window

    before = psutil.Process().num_threads()
    yield open_one
    for window in opened:
        window.close()
        qtbot.waitUntil(lambda window=window: window.link.is_closed, timeout=PATIENCE_MS)
        window.deleteLater()
    qtbot.waitUntil(lambda: psutil.Process().num_threads() <= before, timeout=PATIENCE_MS)


@pytest.fixture
def engine() -> ScriptedEngine:
    """A scripted engine that a test may change before it sends."""
    return ScriptedEngine()


@pytest.fixture
def window(open_window, engine) -> Window:
    """A window whose scripted model is ready."""
    return open_window(scripted_parts(engine))


@pytest.fixture
def say(qtbot) -> Callable[..., None]:
    """Types a message with real keys and sends it with Enter; waits for the end of the answer if told to."""

    def say_it(window: Window, text: str, wait: bool = True) -> None:
        field = window.chat.composer.field
        field.setFocus()
        qtbot.keyClicks(field, text)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert window.link.answering
        if wait:
            qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)

    return say_it
