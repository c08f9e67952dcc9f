"""One turn in the transcript: the user's bubble, or a reply that grows."""

from dataclasses import dataclass

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QFrame, QLabel, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from app.attach.fence import without_files
from app.chats.figures import totals_of
from app.chats.model import EDITED, FAILED, INTERRUPTED, Message
from app.ui.chat.flow_text import FlowText
from app.ui.chat.marking import mark_places
from app.ui.chat.message_editor import MessageEditor
from app.ui.chat.message_foot import MessageFoot, ReplyFoot
from app.ui.chat.reply_body import ReplyBody
from app.ui.language import QT_TRANSLATE_NOOP, translate
from app.ui.speed.meter import summary

_ENDS = {
    INTERRUPTED: QT_TRANSLATE_NOOP("Chat", "the program was closed while this was written"),
    FAILED: QT_TRANSLATE_NOOP("Chat", "ended by an error"),
    EDITED: QT_TRANSLATE_NOOP("Chat", "edited by you"),
}


@dataclass
class Turn:
    """A message and its place among the branches that part here, from 1."""

    message: Message
    place: int = 1
    branches: int = 1


class MessageView(QWidget):
    """What the turns of both sides have in common.

    Signals:
        edited: the text that is to stand here instead, on a branch of its own.
        regenerate: another reply is wanted. go_on: this one is to be continued.
        branch_wanted: -1 for the branch before this one, 1 for the next.
        link_clicked: the address of a link.
    """

    edited = Signal(str)
    regenerate = Signal()
    go_on = Signal()
    branch_wanted = Signal(int)
    link_clicked = Signal(str)

    def __init__(self, turn: Turn, foot: MessageFoot):
        super().__init__()
        self.turn = turn
        self.foot = foot
        self.editor: MessageEditor | None = None
        foot.show_branch(turn.place, turn.branches)
        foot.branch_wanted.connect(self.branch_wanted)
        foot.edit_wanted.connect(lambda: self.start_editing(turn.message.text).field.setFocus())

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.foot.renew()

    def mark(self, text: str) -> int | None:
        """Mark every place of a text; returns how many pixels the first is below the upper edge, or None."""
        first = None
        for part in self._texts():
            at = mark_places(part, text)
            if first is None and at is not None:
                first = part.mapTo(self, QPoint(0, at)).y()
        return first

    def _texts(self) -> list[QTextEdit | QPlainTextEdit]:
        raise NotImplementedError

    def set_last(self, last: bool, busy: bool) -> None:
        """Whether this is the last turn, and whether something is being written, so that nothing else can be."""
        self.foot.set_state(busy, last and self.turn.message.can_continue)

    def start_editing(self, text: str) -> MessageEditor:
        """Put a field with a text in the place of the message."""
        editor = MessageEditor(text, self.turn.message.role == "user")
        editor.done.connect(self._on_edited)
        editor.cancelled.connect(self.stop_editing)
        self.editor = editor
        self._swap(editor, True)
        editor.show()
        return editor

    def stop_editing(self) -> None:
        """Show the text again."""
        if self.editor is not None:
            editor, self.editor = self.editor, None
            self._swap(editor, False)
            editor.deleteLater()
            self.foot.edit.setFocus()

    def _on_edited(self, text: str) -> None:
        self.stop_editing()
        if text != self.turn.message.text:
            self.edited.emit(text)

    def _swap(self, editor: MessageEditor, editing: bool) -> None:
        raise NotImplementedError


class UserMessage(MessageView):
    """What the user said, as it was typed, in a bubble at the right."""

    def __init__(self, turn: Turn):
        foot = MessageFoot(lambda: turn.message.text)
        super().__init__(turn, foot)
        self.text = turn.message.text
        said, files = without_files(self.text)
        heads = [self.tr("File: {name}").format(name=name) for name in files]
        self._shown = "\n".join([*heads, *([said] if said else [])])
        self._bubble = QFrame(objectName="Bubble")
        self._flow = FlowText()
        self._flow.setAccessibleName(self.tr("Your message"))
        self._flow.plain(self._shown)
        inside = QVBoxLayout(self._bubble)
        inside.setContentsMargins(14, 9, 14, 9)
        inside.addWidget(self._flow)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(3)
        right = Qt.AlignmentFlag.AlignRight
        self._column.addWidget(self._bubble, 0, right)
        self._column.addWidget(foot, 0, right)

    def renew(self) -> None:
        super().renew()
        self._flow.plain(self._shown)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        measure = QTextDocument(self._shown)
        measure.setDefaultFont(self._flow.font())
        measure.setDocumentMargin(0)
        widest = int(self.width() * 0.82) - 28
        self._bubble.setFixedWidth(min(int(measure.idealWidth()) + 3, widest) + 28)

    def _texts(self) -> list[QTextEdit | QPlainTextEdit]:
        return [self._flow]

    def _swap(self, editor: MessageEditor, editing: bool) -> None:
        if editing:
            self._column.insertWidget(0, editor)
        else:
            self._column.removeWidget(editor)
        self._bubble.setVisible(not editing)
        self.foot.setVisible(not editing)


class ReplyMessage(MessageView):
    """A reply with its buttons and its line of figures."""

    def __init__(self, turn: Turn, show_drafted: bool = False):
        foot = ReplyFoot(lambda: turn.message.text)
        super().__init__(turn, foot)
        self._reply_foot = foot
        foot.regenerate.connect(self.regenerate)
        foot.go_on.connect(self.go_on)
        self.body = ReplyBody()
        self.body.link_clicked.connect(self.link_clicked)
        self.body.show_drafted(show_drafted)
        self.waiting = QLabel("…")
        self.waiting.setProperty("muted", True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        for part in (self.waiting, self.body, foot):
            self._column.addWidget(part)
        ended = turn.message.stop_reason is not None
        if turn.message.pieces:
            self.waiting.hide()
            self.body.extend(turn.message.pieces, whole=ended)
        if ended:
            self.finish()
        else:
            foot.hide()

    def extend(self, pieces: list[tuple[str, bool]]) -> None:
        """Put pieces at the end."""
        self.waiting.hide()
        self.body.extend(pieces)

    def go_on_writing(self) -> None:
        """More comes again."""
        self.foot.hide()

    def finish(self) -> None:
        """No more comes; show the line of figures below."""
        self.waiting.hide()
        self.body.finish()
        self._reply_foot.show_figures(figures_line(self.turn.message))
        self.foot.show()

    def renew(self) -> None:
        super().renew()
        self.body.renew()

    def _texts(self) -> list[QTextEdit | QPlainTextEdit]:
        return self.body.texts

    def _swap(self, editor: MessageEditor, editing: bool) -> None:
        if editing:
            self._column.insertWidget(1, editor)
        else:
            self._column.removeWidget(editor)
        self.body.setVisible(not editing)
        self.foot.setVisible(not editing)


def figures_line(message: Message) -> str:
    """What was measured while a reply was written, and why it ended where it does not say so itself."""
    totals = totals_of(message.figures)
    parts = [summary(totals)] if totals is not None else []
    parts.append(translate("Chat", _ENDS.get(message.stop_reason or "", "")))
    if not message.text and message.stop_reason not in _ENDS:
        parts.append(translate("Chat", "The model had nothing to say"))
    return " · ".join(part for part in parts if part)
