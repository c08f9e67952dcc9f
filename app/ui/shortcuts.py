"""Every key of the window in one table: the shortcuts are made from it, and the settings list it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

WINDOW, MESSAGE = "Everywhere", "While you write a message"


@dataclass(frozen=True)
class Keys:
    """Attributes:
    name: what it does, for the code. title: for the user.
    keys: as Qt writes them; on a Mac, Ctrl is the command key.
    where: `WINDOW`, or `MESSAGE` for those that the message field itself listens to.
    """

    name: str
    keys: str
    title: str
    where: str = WINDOW

    @property
    def said(self) -> str:
        """The keys as this system writes them."""
        return QKeySequence(self.keys).toString(QKeySequence.SequenceFormat.NativeText)


TABLE = (
    Keys("new", "Ctrl+N", "New chat"),
    Keys("search", "Ctrl+K", "Search the chats"),
    Keys("chats", "Ctrl+Shift+S", "Show or hide the chats"),
    Keys("models", "Ctrl+M", "Manage the models"),
    Keys("settings", "Ctrl+,", "Settings"),
    Keys("message", "Ctrl+L", "Go to the message field"),
    Keys("attach", "Ctrl+O", "Attach files"),
    Keys("stop", "Escape", "Stop what runs"),
    Keys("copy", "Ctrl+Shift+C", "Copy the last answer"),
    Keys("again", "Ctrl+R", "Write the last answer again"),
    Keys("panel", "Ctrl+B", "Show or hide the speed panel"),
    Keys("quit", "Ctrl+Q", "Quit"),
    Keys("send", "Enter", "Send", MESSAGE),
    Keys("send_too", "Ctrl+Enter", "Send", MESSAGE),
    Keys("line", "Shift+Enter", "New line", MESSAGE),
)
BY_NAME = {entry.name: entry for entry in TABLE}


def with_keys(tip: str, name: str) -> str:
    """A tooltip with the keys that do the same."""
    return f"{tip} ({BY_NAME[name].said})"


def install(window: QWidget, actions: Mapping[str, Callable[[], object]]) -> None:
    """Make the window's shortcuts; `actions` says what each one does."""
    for entry in TABLE:
        if entry.where == WINDOW:
            QShortcut(QKeySequence(entry.keys), window, activated=actions[entry.name])


def pressed(event: QKeyEvent) -> str:
    """The name of the message field's keys that this event is, or ""."""
    # Return and the number pad's Enter are as good as each other.
    key = Qt.Key.Key_Enter if event.key() == Qt.Key.Key_Return else Qt.Key(event.key())
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    done = QKeySequence(Qt.KeyboardModifier(modifiers).value | key.value)
    for entry in TABLE:
        if entry.where == MESSAGE and done == QKeySequence(entry.keys):
            return entry.name
    return ""


def title(entry: Keys) -> str:
    """What the keys do, in the user's language."""
    return QCoreApplication.translate("Shortcuts", entry.title)
