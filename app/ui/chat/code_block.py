"""A code block: language, a copy button, coloured lines that scroll sideways."""

import time
from collections.abc import Iterable, Iterator
from itertools import groupby

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QFontMetricsF, QGuiApplication, QSyntaxHighlighter, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QToolButton, QVBoxLayout

from app.ui.chat.highlight import coloured
from app.ui.chat.markdown import Block
from app.ui.icons import icon
from app.ui.theme import code_font, colours

# While code streams, colouring takes at most this share of the time.
_SHARE = 0.15
# Seconds of colouring at a time; then the window's other work has its turn.
_TURN_S = 0.006
_DEEPEST = 4


class CodeBlock(QFrame):
    """Shows one code block and grows with it.

    Args:
        level: in how many lists and quotations it is.
    """

    def __init__(self, level: int = 0, parent=None):
        super().__init__(parent)
        self.setObjectName("CodeBlock")
        head = QFrame(objectName="CodeHead")
        self.language = QLabel()
        self.language.setProperty("muted", True)
        self.copy = QToolButton(
            text=self.tr("Copy"), toolTip=self.tr("Copy this code"), accessibleName=self.tr("Copy code")
        )
        self.copy.setProperty("small", True)
        self.copy.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.copy.clicked.connect(self._copy)
        row = QHBoxLayout(head)
        row.setContentsMargins(12, 3, 6, 3)
        row.addWidget(self.language)
        row.addStretch()
        row.addWidget(self.copy)
        self.body = _Body()
        self._colouring = _Colouring(self.body.document())
        column = QVBoxLayout(self)
        self.setProperty("level", min(level, _DEEPEST))  # the style sheet indents it
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addWidget(head)
        column.addWidget(self.body)
        self._code = ""
        self._drafted_shown = False
        self._job: Iterator[None] | None = None
        self._next_turn = QTimer(self, singleShot=True, interval=0)
        self._next_turn.timeout.connect(self._go_on)
        self._cost = self._coloured_at = 0.0
        self.renew()

    def show_block(self, block: Block, show_drafted: bool, whole: bool = False) -> None:
        """Show a state of the block; `whole` says that it is the last one.

        A longer state of the same code only appends.
        """
        self.language.setText(block.language or self.tr("text"))
        self.body.setAccessibleName(self.tr("Code, {language}").format(language=block.language or self.tr("text")))
        marks = block.marks if show_drafted else b""
        self._colouring.expect(block.code, marks)
        if block.code.startswith(self._code):
            end = QTextCursor(self.body.document())
            end.movePosition(QTextCursor.MoveOperation.End)
            end.insertText(block.code[len(self._code) :])
        else:
            self._job = None
            self.body.setPlainText(block.code)
        self._code = block.code
        self.body.fit()
        toggled, self._drafted_shown = show_drafted != self._drafted_shown, show_drafted
        if toggled:
            self._colouring.forget()
        is_time = self._job is None and time.perf_counter() - self._coloured_at > self._cost / _SHARE
        if whole or toggled or is_time:
            self._job, self._cost = self._colouring.show(coloured(block.code, block.language)), 0.0
            self._go_on()

    def renew(self) -> None:
        """Take the theme's present colours and fonts."""
        self.copy.setIcon(icon("copy", colours().muted))
        self.body.setFont(code_font())
        self.body.fit()
        self._colouring.rehighlight()

    def _go_on(self) -> None:
        """Colour for a turn."""
        if self._job is None:
            return
        began = now = time.perf_counter()
        for _ in self._job:
            now = time.perf_counter()
            if now - began > _TURN_S:
                self._next_turn.start()
                break
        else:
            self._job = None
        self._coloured_at = time.perf_counter()
        self._cost += self._coloured_at - began

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._code)
        self.copy.setText(self.tr("Copied"))
        self.copy.setIcon(icon("done", colours().speed))
        QTimer.singleShot(1500, self.copy, self._copied_long_ago)

    def _copied_long_ago(self) -> None:
        self.copy.setText(self.tr("Copy"))
        self.copy.setIcon(icon("copy", colours().muted))


class _Body(QPlainTextEdit):
    def __init__(self):
        super().__init__(readOnly=True, undoRedoEnabled=False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.document().setDocumentMargin(10)
        self._line = 0.0
        self.horizontalScrollBar().rangeChanged.connect(lambda low, high: self.fit())

    def fit(self) -> None:
        """As high as the lines, and the sideways scroll bar where there is one."""
        last = self.document().lastBlock()
        # Asking for its place lays the line out; only then its own height is known.
        self.blockBoundingRect(last)
        self._line = max(self._line, last.layout().boundingRect().height(), QFontMetricsF(self.font()).lineSpacing())
        lines = self.document().blockCount() * self._line
        bar = self.horizontalScrollBar()
        below = bar.sizeHint().height() if bar.maximum() > bar.minimum() else 0
        height = int(lines + 2 * self.document().documentMargin() + 1) + below
        if height != self.minimumHeight() or height != self.maximumHeight():
            self.setFixedHeight(height)

    def wheelEvent(self, event) -> None:
        if abs(event.angleDelta().x()) > abs(event.angleDelta().y()):
            super().wheelEvent(event)
        else:
            event.ignore()


class _Colouring(QSyntaxHighlighter):
    """Colours lines from parts found elsewhere; only lines whose parts changed are laid out again.

    Parts and marks count letters, Qt counts UTF-16 units: `_units` turns the one into the other.
    """

    def __init__(self, document):
        super().__init__(document)
        self._starts: list[int] = [0]
        self._lines: list[list[tuple[int, int, str]]] = []
        # Of each line, the parts that it shows.
        self._shown: dict[int, list[tuple[int, int, str]]] = {}
        self._marks = b""

    def expect(self, code: str, marks: bytes) -> None:
        """What the document is about to hold: inserting text colours its lines at once."""
        self._marks = marks
        self._starts = [0]
        for line in code.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def forget(self) -> None:
        """All lines are to be coloured anew."""
        self._shown.clear()

    def show(self, parts: Iterable[tuple[int, int, str]]) -> Iterator[None]:
        """Colour parts, step by step, while the document may grow."""
        found = []
        for part in parts:
            found.append(part)
            yield
        self._lines = cut_into_lines(found, self._starts)
        number = 0
        while number < self.document().blockCount():
            if number >= len(self._lines) or self._shown.get(number) != self._lines[number]:
                self.rehighlightBlock(self.document().findBlockByNumber(number))
                yield
            number += 1

    def highlightBlock(self, text: str) -> None:  # noqa: N802
        ink, number = colours(), self.currentBlock().blockNumber()
        self._shown[number] = self._lines[number] if number < len(self._lines) else []
        roles: list[str | None] = [None] * len(text)
        for first, length, role in self._shown[number]:
            # The parts may still be those of the code that stood here before.
            end = min(first + length, len(text))
            roles[first:end] = [role] * (end - first)
        start = self._starts[number] if number < len(self._starts) else 0
        marks = self._marks[start : start + len(text)].ljust(len(text), b"\0")
        # By runs and not letter by letter: every format that Qt is given costs.
        first = 0
        for (found, mark), run in groupby(zip(roles, marks, strict=True)):
            length = sum(1 for _ in run)
            if found or mark:
                style = QTextCharFormat()
                if found:
                    style.setForeground(QColor(getattr(ink, found)))
                    style.setFontItalic(found == "comment")
                if mark:
                    style.setBackground(QColor(ink.drafted))
                self.setFormat(*_units(text, first, length), style)
            first += length


def cut_into_lines(parts: list[tuple[int, int, str]], starts: list[int]) -> list[list[tuple[int, int, str]]]:
    """Parts of a text as parts of its lines; `starts` holds where each line begins, and the end."""
    lines: list[list[tuple[int, int, str]]] = [[] for _ in starts[1:]]
    line = 0
    for first, length, role in parts:
        end = first + length
        while line + 1 < len(lines) and starts[line + 1] <= first:
            line += 1
        at = line
        while at < len(lines) and starts[at] < end:
            begin, stop = max(first, starts[at]), min(end, starts[at + 1] - 1)
            if stop > begin:
                lines[at].append((begin - starts[at], stop - begin, role))
            at += 1
    return lines


def _units(text: str, first: int, length: int) -> tuple[int, int]:
    if text.isascii():
        return first, length
    before = len(text[:first].encode("utf-16-le")) // 2
    return before, len(text[first : first + length].encode("utf-16-le")) // 2
