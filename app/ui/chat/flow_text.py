"""Read-only rich text as high as what it shows, written block by block."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextFormat,
    QTextLength,
    QTextListFormat,
    QTextTableFormat,
)
from PySide6.QtWidgets import QFrame, QTextBrowser

from app.ui.chat.markdown import Block, Line, Run, Table
from app.ui.theme import code_font, colours, text_font

_HEADINGS = {"h1": 1.45, "h2": 1.28, "h3": 1.14, "h4": 1.05, "h5": 1.0, "h6": 1.0}
_ALIGNS = {"center": Qt.AlignmentFlag.AlignHCenter, "right": Qt.AlignmentFlag.AlignRight}
_GAP = 8
_INDENT = 24


class FlowText(QTextBrowser):
    """Text blocks of one message that follow each other. It never scrolls and never fetches anything.

    Signals:
        link_clicked: the address of a link, to be asked about.
    """

    link_clicked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFont(text_font())
        self.document().setDocumentMargin(0)
        self.document().setIndentWidth(_INDENT)
        self.anchorClicked.connect(lambda url: self.link_clicked.emit(url.toString()))
        self.document().documentLayout().documentSizeChanged.connect(lambda size: self._fit(size.height()))
        self._starts: list[tuple[int, bool]] = []
        self._fresh = True

    @property
    def count(self) -> int:
        """Blocks shown."""
        return len(self._starts)

    def write(self, blocks: list[Block], keep: int, show_drafted: bool) -> None:
        """Keep the first `keep` blocks and show `blocks` behind them."""
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        self._cut(cursor, keep)
        for block in blocks:
            cursor.movePosition(QTextCursor.MoveOperation.End)
            self._starts.append((cursor.position(), self._fresh))
            for item in block.items or [Line("text")]:
                if isinstance(item, Table):
                    self._write_table(cursor, item, show_drafted)
                else:
                    self._write_line(cursor, item, show_drafted)
        cursor.endEditBlock()
        links = any(run.link for block in blocks for item in block.items for run in _runs_of(item))
        if links:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def plain(self, text: str) -> None:
        """Show a text as it stands."""
        self.setPlainText(text)

    def _cut(self, cursor: QTextCursor, keep: int) -> None:
        """Remove the blocks from number `keep` on."""
        if keep >= len(self._starts):
            return
        position, fresh = self._starts[keep]
        del self._starts[keep:]
        self._fresh = fresh
        cursor.setPosition(position)
        cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        if fresh:
            # The reused empty block must not keep the list or margins of what stood there.
            if cursor.currentList():
                cursor.currentList().remove(cursor.block())
            cursor.setBlockFormat(QTextBlockFormat())

    def _write_line(self, cursor: QTextCursor, line: Line, show_drafted: bool) -> None:
        shape = QTextBlockFormat()
        first = cursor.position() == 0 or (self._fresh and cursor.block().blockNumber() == 0)
        shape.setTopMargin(0 if first else (_GAP if not line.level else 3))
        shape.setLineHeight(122, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        if line.kind in _HEADINGS and not first:
            shape.setTopMargin(_GAP + 6)
        if line.level and not line.marker:
            shape.setIndent(line.level)
        if line.quote:
            shape.setLeftMargin(18 * line.quote)
        if line.kind == "rule":
            shape.setProperty(QTextFormat.Property.BlockTrailingHorizontalRulerWidth, _full_width())
        if self._fresh:
            cursor.setBlockFormat(shape)
            self._fresh = False
        else:
            cursor.insertBlock(shape, QTextCharFormat())
            if cursor.currentList():
                cursor.currentList().remove(cursor.block())
                cursor.setBlockFormat(shape)
        cursor.setBlockCharFormat(_style(Run(""), line, False))
        if line.marker:
            cursor.createList(_list_format(line))
        for run in line.runs:
            cursor.insertText(run.text, _style(run, line, show_drafted))

    def _write_table(self, cursor: QTextCursor, table: Table, show_drafted: bool) -> None:
        ink = colours()
        columns = max((len(row) for row in table.rows), default=0)
        if not columns:
            return
        if not self._fresh:
            cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())
        shape = QTextTableFormat()
        shape.setCellPadding(5)
        shape.setCellSpacing(0)
        shape.setBorderCollapse(True)
        shape.setBorder(1)
        shape.setBorderBrush(QBrush(QColor(ink.line)))
        shape.setBorderStyle(QTextTableFormat.BorderStyle.BorderStyle_Solid)
        shape.setTopMargin(_GAP)
        shape.setBottomMargin(_GAP)
        shape.setLeftMargin(_INDENT * table.level)
        shape.setHeaderRowCount(1)
        grid = cursor.insertTable(len(table.rows), columns, shape)
        for row, cells in enumerate(table.rows):
            for column, runs in enumerate(cells[:columns]):
                inside = grid.cellAt(row, column).firstCursorPosition()
                align = QTextBlockFormat()
                name = table.aligns[column] if column < len(table.aligns) else "left"
                align.setAlignment(_ALIGNS.get(name, Qt.AlignmentFlag.AlignLeft))
                inside.setBlockFormat(align)
                for run in runs:
                    style = _style(run, Line("text"), show_drafted)
                    if row == 0:
                        style.setFontWeight(QFont.Weight.DemiBold)
                    inside.insertText(run.text, style)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        self._fresh = True

    def _fit(self, height: float) -> None:
        self.setFixedHeight(int(height + 0.999) + 1)

    def loadResource(self, kind: int, name) -> None:  # noqa: N802
        """Nothing is ever fetched."""
        return

    def wheelEvent(self, event) -> None:
        """The transcript scrolls, not the message."""
        event.ignore()


def _runs_of(item: Line | Table) -> list[Run]:
    if isinstance(item, Line):
        return item.runs
    return [run for row in item.rows for cell in row for run in cell]


def _full_width() -> QTextLength:
    return QTextLength(QTextLength.Type.PercentageLength, 100)


def _list_format(line: Line) -> QTextListFormat:
    shape = QTextListFormat()
    shape.setIndent(line.level)
    if line.marker == "•":
        shape.setStyle(QTextListFormat.Style.ListDisc)
    else:
        shape.setStyle(QTextListFormat.Style.ListDecimal)
        shape.setStart(int(line.marker.removesuffix(".")))
    return shape


def _style(run: Run, line: Line, show_drafted: bool) -> QTextCharFormat:
    ink = colours()
    style = QTextCharFormat()
    style.setForeground(QColor(ink.muted if line.quote else ink.text))
    if run.code:
        style.setFont(code_font())
        style.setBackground(QColor(ink.code_head))
    if line.kind in _HEADINGS:
        style.setProperty(QTextFormat.Property.FontPointSize, text_font().pointSizeF() * _HEADINGS[line.kind])
        style.setFontWeight(QFont.Weight.DemiBold)
    if run.bold:
        style.setFontWeight(QFont.Weight.Bold)
    style.setFontItalic(run.italic)
    style.setFontStrikeOut(run.struck)
    if run.link:
        style.setAnchor(True)
        style.setAnchorHref(run.link)
        style.setForeground(QColor(ink.link))
        style.setFontUnderline(True)
        style.setToolTip(run.link)
    if run.drafted and show_drafted:
        style.setBackground(QColor(ink.drafted))
        if not run.link:
            style.setForeground(QColor(ink.text))
    return style
