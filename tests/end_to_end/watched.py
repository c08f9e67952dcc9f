"""The program as it is, with somebody looking: `python -m end_to_end.watched SOCKET` opens the window.

Whoever connects to the socket gets one JSON list of what is on the screen, as assistive technology would see it: every
visible control with its accessible name, its text, its state and its rectangle. Nothing can be changed this way.
"""

import json
import sys

from PySide6.QtCore import QPoint, QRect
from PySide6.QtNetwork import QLocalServer
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QSlider,
    QTextBrowser,
    QWidget,
)

from app import __main__, bootstrap


def seen() -> list[dict]:
    """Everything visible, window by window."""
    found = []
    for window in QApplication.topLevelWidgets():
        if window.isVisible():
            found.append(_described(window, "window", window.windowTitle(), window.rect()))
            found += _inside(window)
    return found


def _inside(window: QWidget) -> list[dict]:
    if isinstance(window, QMenu):
        return [
            _described(window, "line", action.text().partition("\t")[0], window.actionGeometry(action))
            | {"checked": action.isChecked()}
            for action in window.actions()
        ]
    found = []
    for part in window.findChildren(QWidget):
        shown = part.visibleRegion().boundingRect()
        if part.window() is not window or not part.isVisible() or shown.isEmpty():
            continue
        found.append(_described(part, "control", _text(part), shown))
        if isinstance(part, QAbstractItemView):
            for row in range(part.model().rowCount()):
                index = part.model().index(row, 0)
                found.append(_described(part.viewport(), "row", str(index.data() or ""), part.visualRect(index)))
    return found


def _text(part: QWidget) -> str:
    match part:
        case QLabel() | QLineEdit() | QAbstractButton():
            return part.text()
        case QPlainTextEdit() | QTextBrowser():
            return part.toPlainText()
    return ""


def _described(part: QWidget, kind: str, text: str, shown: QRect) -> dict:
    at = part.mapToGlobal(QPoint(shown.x(), shown.y()))
    return {
        "kind": kind,
        "class": type(part).__name__,
        "name": part.accessibleName(),
        "text": text,
        "enabled": part.isEnabled(),
        "focus": part.hasFocus() if kind == "control" else part.isActiveWindow(),
        "checked": part.isChecked() if isinstance(part, QAbstractButton) else False,
        "value": part.value() if isinstance(part, QSlider) else None,
        "x": at.x(),
        "y": at.y(),
        "width": shown.width(),
        "height": shown.height(),
    }


def _tell(server: QLocalServer) -> None:
    while (caller := server.nextPendingConnection()) is not None:
        caller.disconnected.connect(caller.deleteLater)
        caller.write(json.dumps(seen()).encode())
        caller.disconnectFromServer()


def main() -> int:
    """Open the window, and tell what is seen until it is closed."""
    name = sys.argv.pop()
    make = bootstrap.make_application

    def make_watched() -> QApplication:
        application = make()
        server = QLocalServer(application)
        server.newConnection.connect(lambda: _tell(server))
        server.listen(name)
        return application

    bootstrap.make_application = make_watched
    return __main__.main()


if __name__ == "__main__":
    sys.exit(main())
