"""Every key of the window in one table: the shortcuts are made from it, and the settings list it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from app.ui.language import QT_TRANSLATE_NOOP, translate

WINDOW = QT_TRANSLATE_NOOP("Shortcuts", "Everywhere")
MESSAGE = QT_TRANSLATE_NOOP("Shortcuts", "While you write a message")


@dataclass(frozen=True)
class Keys:
    """Attributes:
    name: what it does, for the code. title: for the user.
    keys: as Qt writes them; on a Mac, Ctrl is the command key. also: other keys that do the same.
    where: `WINDOW`, or `MESSAGE` for those that the message field itself listens to.
    """

    name: str
    keys: str
    title: str
    where: str = WINDOW
    also: str = ""

    @property
    def said(self) -> str:
        """The keys as this system writes them."""
        return QKeySequence(self.keys).toString(QKeySequence.SequenceFormat.NativeText)


TABLE = (
    Keys("new", "Ctrl+N", QT_TRANSLATE_NOOP("Shortcuts", "New chat")),
    Keys("search", "Ctrl+K", QT_TRANSLATE_NOOP("Shortcuts", "Search the chats")),
    Keys("find", "Ctrl+F", QT_TRANSLATE_NOOP("Shortcuts", "Find in this chat")),
    Keys("chats", "Ctrl+Shift+S", QT_TRANSLATE_NOOP("Shortcuts", "Show or hide the chats")),
    Keys("models", "Ctrl+M", QT_TRANSLATE_NOOP("Shortcuts", "Manage the models")),
    Keys("settings", "Ctrl+,", QT_TRANSLATE_NOOP("Shortcuts", "Settings")),
    Keys("message", "Ctrl+L", QT_TRANSLATE_NOOP("Shortcuts", "Go to the message field")),
    Keys("attach", "Ctrl+O", QT_TRANSLATE_NOOP("Shortcuts", "Attach files")),
    Keys("stop", "Escape", QT_TRANSLATE_NOOP("Shortcuts", "Stop what runs")),
    Keys("copy", "Ctrl+Shift+C", QT_TRANSLATE_NOOP("Shortcuts", "Copy the last answer")),
    Keys("again", "Ctrl+R", QT_TRANSLATE_NOOP("Shortcuts", "Write the last answer again")),
    Keys("panel", "Ctrl+B", QT_TRANSLATE_NOOP("Shortcuts", "Show or hide the speed panel")),
    Keys("larger", "Ctrl++", QT_TRANSLATE_NOOP("Shortcuts", "Larger text"), also="Ctrl+="),
    Keys("smaller", "Ctrl+-", QT_TRANSLATE_NOOP("Shortcuts", "Smaller text")),
    Keys("usual_size", "Ctrl+0", QT_TRANSLATE_NOOP("Shortcuts", "Text of the usual size")),
    Keys("quit", "Ctrl+Q", QT_TRANSLATE_NOOP("Shortcuts", "Quit")),
    Keys("send", "Enter", QT_TRANSLATE_NOOP("Shortcuts", "Send"), MESSAGE),
    Keys("send_too", "Ctrl+Enter", QT_TRANSLATE_NOOP("Shortcuts", "Send"), MESSAGE),
    Keys("line", "Shift+Enter", QT_TRANSLATE_NOOP("Shortcuts", "New line"), MESSAGE),
)
BY_NAME = {entry.name: entry for entry in TABLE}


def with_keys(tip: str, name: str) -> str:
    """A tooltip with the keys that do the same."""
    return f"{tip} ({BY_NAME[name].said})"


def install(window: QWidget, actions: Mapping[str, Callable[[], object]]) -> None:
    """Make the window's shortcuts; `actions` says what each one does."""
    for entry in TABLE:
        if entry.where == WINDOW:
            for keys in filter(None, (entry.keys, entry.also)):
                QShortcut(QKeySequence(keys), window, activated=actions[entry.name])


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
    return translate("Shortcuts", entry.title)
