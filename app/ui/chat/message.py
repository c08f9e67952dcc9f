"""One turn in the transcript: the user's bubble, or a reply that grows."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QTextDocument
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.attach.fence import without_files
from app.ui.chat.code_block import CodeBlock
from app.ui.chat.flow_text import FlowText
from app.ui.chat.markdown import Block, parse
from app.ui.icons import icon
from app.ui.theme import colours


class UserMessage(QWidget):
    """What the user said, as it was typed, in a bubble at the right."""

    def __init__(self, text: str, parent=None):
        super().__init__(parent)
        self.text = text
        said, files = without_files(text)
        self._shown = "\n".join([*(f"File: {name}" for name in files), *([said] if said else [])])
        self._bubble = QFrame(objectName="Bubble")
        self._flow = FlowText()
        self._flow.setAccessibleName("Your message")
        self._flow.plain(self._shown)
        inside = QVBoxLayout(self._bubble)
        inside.setContentsMargins(14, 9, 14, 9)
        inside.addWidget(self._flow)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch()
        row.addWidget(self._bubble)

    def renew(self) -> None:
        """Take the theme's present colours."""
        self._flow.plain(self._shown)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        measure = QTextDocument(self._shown)
        measure.setDefaultFont(self._flow.font())
        measure.setDocumentMargin(0)
        widest = int(self.width() * 0.82) - 28
        self._bubble.setFixedWidth(min(int(measure.idealWidth()) + 3, widest) + 28)


class ReplyBody(QWidget):
    """A reply's markdown as a column of text and code parts, of which only the last block is ever rendered again."""

    link_clicked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.text = ""
        self._marks = bytearray()
        self._settled = 0
        self._show_drafted = False
        self._parts: list[FlowText | CodeBlock] = []
        self._has_open_block = False
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(10)

    def extend(self, pieces: list[tuple[str, bool]]) -> None:
        """Put (text, came from a draft) pieces at the end."""
        for text, drafted in pieces:
            clean = text.replace("\r", "").replace("\u2029", "\n")
            self.text += clean
            self._marks += bytes([drafted]) * len(clean)
        self._render(whole=False)

    def finish(self) -> None:
        """No more comes: colour what is still uncoloured."""
        self._render(whole=True)

    def show_drafted(self, shown: bool) -> None:
        """Colour the letters that came from accepted drafts, or stop doing so."""
        if shown != self._show_drafted:
            self._show_drafted = shown
            self.renew()

    def renew(self) -> None:
        """Render all again: other colours, or other letters coloured."""
        for part in self._parts:
            self._drop(part)
        self._parts.clear()
        self._settled, self._has_open_block = 0, False
        self._render(whole=True)

    def _render(self, whole: bool) -> None:
        blocks = parse(self.text[self._settled :], self._marks[self._settled :])
        if not blocks:
            return
        if self._has_open_block:
            self._replace_open(blocks[0], whole or len(blocks) > 1)
            rest = blocks[1:]
        else:
            rest = blocks
        for index, block in enumerate(rest):
            self._append(block, whole or index + 1 < len(rest))
        self._has_open_block = True
        self._settled += blocks[-1].start

    def _replace_open(self, block: Block, whole: bool) -> None:
        last = self._parts[-1]
        if isinstance(last, CodeBlock) and block.is_code:
            last.show_block(block, self._show_drafted, whole)
        elif isinstance(last, FlowText) and not block.is_code:
            last.write([block], last.count - 1, self._show_drafted)
        else:
            if isinstance(last, FlowText) and last.count > 1:
                last.write([], last.count - 1, self._show_drafted)
            else:
                self._drop(self._parts.pop())
            self._append(block, whole)

    def _append(self, block: Block, whole: bool) -> None:
        last = self._parts[-1] if self._parts else None
        if block.is_code:
            code = CodeBlock()
            self._add(code)
            code.show_block(block, self._show_drafted, whole)
        elif isinstance(last, FlowText):
            last.write([block], last.count, self._show_drafted)
        else:
            flow = FlowText()
            flow.setAccessibleName("Reply")
            flow.link_clicked.connect(self.link_clicked)
            self._add(flow)
            flow.write([block], 0, self._show_drafted)

    def _add(self, part: FlowText | CodeBlock) -> None:
        self._parts.append(part)
        self._column.addWidget(part)

    def _drop(self, part: QWidget) -> None:
        self._column.removeWidget(part)
        part.hide()
        part.deleteLater()


class ReplyMessage(QWidget):
    """A reply with its line of figures and its buttons.

    Signals:
        regenerate: the user wants another answer.
        link_clicked: the address of a link.
    """

    regenerate = Signal()
    link_clicked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.body = ReplyBody()
        self.body.link_clicked.connect(self.link_clicked)
        self.waiting = QLabel("…")
        self.waiting.setProperty("muted", True)
        self._figures = QLabel()
        self._figures.setProperty("muted", True)
        self._figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._copy = QToolButton(toolTip="Copy this answer", accessibleName="Copy answer")
        self._copy.clicked.connect(self._copy_text)
        self._again = QToolButton(toolTip="Write another answer (Ctrl+R)", accessibleName="Regenerate")
        self._again.clicked.connect(self.regenerate)
        self._foot = QWidget()
        foot = QHBoxLayout(self._foot)
        foot.setContentsMargins(0, 0, 0, 0)
        foot.setSpacing(2)
        foot.addWidget(self._copy)
        foot.addWidget(self._again)
        foot.addSpacing(8)
        foot.addWidget(self._figures, 1)
        self._foot.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.waiting)
        column.addWidget(self.body)
        column.addWidget(self._foot)
        self.renew_icons()

    def extend(self, pieces: list[tuple[str, bool]]) -> None:
        """Put pieces at the end."""
        self.waiting.hide()
        self.body.extend(pieces)

    def finish(self, figures: str) -> None:
        """No more comes; show this line below."""
        self.waiting.hide()
        self.body.finish()
        self._figures.setText(figures)
        self._figures.setToolTip(figures)
        self._foot.show()

    def set_last(self, last: bool) -> None:
        """Only the last reply can be written again."""
        self._again.setVisible(last)

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.body.renew()
        self.renew_icons()

    def renew_icons(self) -> None:
        """Draw the buttons in the present colours."""
        self._copy.setIcon(icon("copy", colours().muted))
        self._again.setIcon(icon("again", colours().muted))

    def _copy_text(self) -> None:
        QGuiApplication.clipboard().setText(self.body.text)
        self._copy.setIcon(icon("done", colours().speed))
        QTimer.singleShot(1500, self._copy, self.renew_icons)
