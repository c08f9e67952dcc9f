"""A reply's markdown as a column of text and code parts."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from app.ui.chat.code_block import CodeBlock
from app.ui.chat.flow_text import FlowText
from app.ui.chat.markdown import Block, parse
from app.ui.chat.thought import CLOSE, OPEN, Thought


class ReplyBody(QWidget):
    """Grows with its text, and renders again only what more text can change: what its last top-level block shows.

    Signals:
        link_clicked: the address of a link.
    """

    link_clicked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.text = ""
        self._marks = bytearray()
        self._settled = 0
        self._show_drafted = False
        self._thought: Thought | None = None
        self._parts: list[FlowText | CodeBlock] = []
        # The blocks shown of the last top-level block, behind those that nothing can change.
        self._open: list[Block] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(10)

    @property
    def texts(self) -> list[QTextEdit | QPlainTextEdit]:
        """What shows the letters, from top to bottom."""
        return [part.body if isinstance(part, CodeBlock) else part for part in self._parts]

    def extend(self, pieces: list[tuple[str, bool]], whole: bool = False) -> None:
        """Put (text, came from a draft) pieces at the end; `whole` says that no more come."""
        for text, drafted in pieces:
            clean = text.replace("\r", "").replace("\u2029", "\n")
            self.text += clean
            self._marks += bytes([drafted]) * len(clean)
        self._render(whole)

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
        self._open.clear()
        self._settled = 0
        self._render(whole=True)

    def _render(self, whole: bool) -> None:
        if not self._render_thought(whole):
            return
        blocks = parse(self.text[self._settled :], self._marks[self._settled :])
        if not blocks:
            return
        same = 0
        while same < min(len(blocks), len(self._open)) and blocks[same] == self._open[same]:
            same += 1
        if same and same == len(self._open) and (whole or len(blocks) > same):
            same -= 1  # the colours of what was last may have been put off
        for old in reversed(self._open[same + (same < len(blocks)) :]):
            self._take(old)
        for index, block in enumerate(blocks[same:], same):
            last = not whole and index + 1 == len(blocks)
            if index == same and same < len(self._open):
                self._replace(self._open[same], block, not last)
            else:
                self._append(block, not last)
        self._open = [block for block in blocks if block.start == blocks[-1].start]
        self._settled += blocks[-1].start
        for block in self._open:
            block.start = 0

    def _render_thought(self, whole: bool) -> bool:
        """What a model thinks before it answers stands folded above; returns whether the answer has begun."""
        if not self.text.startswith(OPEN):
            return True
        if self._thought is None:
            for old in reversed(self._parts):
                self._drop(old)  # half of the opening tag
            self._parts.clear()
            self._open.clear()
            self._settled = 0
            self._thought = Thought()
            self._column.insertWidget(0, self._thought)
        end = self.text.find(CLOSE)
        self._thought.show_text(self.text[len(OPEN) : end if end >= 0 else None].strip(), end < 0 and not whole)
        if end >= 0:
            self._settled = max(self._settled, end + len(CLOSE))
        return end >= 0

    def _replace(self, old: Block, block: Block, whole: bool) -> None:
        last = self._parts[-1]
        if isinstance(last, CodeBlock) and block.is_code and old.level == block.level:
            last.show_block(block, self._show_drafted, whole)
        elif isinstance(last, FlowText) and not block.is_code:
            last.write([block], last.count - 1, self._show_drafted)
        else:
            self._take(old)
            self._append(block, whole)

    def _take(self, block: Block) -> None:
        """Remove the block shown last."""
        last = self._parts[-1]
        if isinstance(last, FlowText) and not block.is_code and last.count > 1:
            last.write([], last.count - 1, self._show_drafted)
        else:
            self._drop(self._parts.pop())

    def _append(self, block: Block, whole: bool) -> None:
        last = self._parts[-1] if self._parts else None
        if block.is_code:
            code = CodeBlock(block.level)
            self._add(code)
            code.show_block(block, self._show_drafted, whole)
        elif isinstance(last, FlowText):
            last.write([block], last.count, self._show_drafted)
        else:
            flow = FlowText()
            flow.setAccessibleName(self.tr("Reply"))
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
