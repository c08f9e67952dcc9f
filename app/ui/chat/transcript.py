"""The column of messages. It follows the newest text unless the user has scrolled up.

Only messages near the part that is looked at exist as widgets: a chat of a thousand messages opens and scrolls like one
of ten. In the place of the others stand two empty widgets as high as those messages are, or are thought to be.
"""

from bisect import bisect_right
from itertools import accumulate

from PySide6.QtCore import QCoreApplication, QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.chats.model import Message, Piece
from app.ui.chat.message import MessageView, ReplyMessage, Turn, UserMessage
from app.ui.icons import icon

COLUMN_WIDTH = 780
_NEAR_END = 40
_GAP = 22
# Messages are made this many screens ahead, and given up so many screens away.
_AHEAD, _AWAY = 1.0, 4.0
_AT_ONCE = 3


class Transcript(QScrollArea):
    """Messages of one branch of a chat.

    Signals:
        regenerate(id), go_on(id), edited(id, text), branch_wanted(id, step), delete_wanted(id): what is wanted of a
            message.
        link_clicked: the address of a link in a reply.
    """

    regenerate = Signal(int)
    go_on = Signal(int)
    edited = Signal(int, str)
    branch_wanted = Signal(int, int)
    delete_wanted = Signal(int)
    link_clicked = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Conversation"))
        self._page = QWidget(objectName="Page")
        self._column = _Column(self._settle)
        self._column.setMaximumWidth(COLUMN_WIDTH)
        row = QHBoxLayout(self._page)
        row.setContentsMargins(20, 18, 20, 18)
        row.addStretch(0)
        row.addWidget(self._column, 1)
        row.addStretch(0)
        self._layout = QVBoxLayout(self._column)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(_GAP)
        self._above, self._below = QWidget(), QWidget()
        self._layout.addWidget(self._above)
        self._layout.addWidget(self._below)
        self._layout.addStretch(1)
        self.setWidget(self._page)
        self._turns: list[Turn] = []
        self._heights: list[int] = []
        self._first = 0
        self._shown: list[MessageView] = []
        self._anchor: tuple[int, int] | None = None  # a turn, and how far below the top edge it is; None: the end
        self._edits: dict[int, str] = {}  # what is being edited in messages that are out of sight
        self._settling = self._filling = False
        self._show_drafted = self._busy = False
        self._marked = ""
        self.to_end = QToolButton(
            self, toolTip=self.tr("Go to the newest text"), accessibleName=self.tr("Go to the newest text")
        )
        self.to_end.clicked.connect(self.follow)
        self.to_end.setStyleSheet("QToolButton { border-radius: 15px; }")
        self.to_end.hide()
        self._fill_soon = QTimer(self, interval=0, singleShot=True)
        self._fill_soon.timeout.connect(self._fill)
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._settle)
        bar.valueChanged.connect(self._on_scrolled)
        self.renew()

    # -- what is shown -------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[MessageView]:
        """The messages that exist as widgets, in order; the last of the chat among them while the end is shown."""
        return list(self._shown)

    @property
    def turns(self) -> list[Turn]:
        """All messages of the branch."""
        return list(self._turns)

    def show_turns(self, turns: list[Turn], at: Message | None = None, offset: int | None = None) -> None:
        """Show a branch: its end, or the message `at`, near the top or `offset` pixels below it.

        What it begins with that is here already stays: a reply is not made anew because the one behind it went away.
        """
        same = self._in_common(turns)
        while self._first + len(self._shown) > same and self._shown:
            self._drop(self._shown.pop())
        self._turns = self._turns[:same] + turns[same:]
        self._heights = self._heights[:same] + [self._estimate(turn.message) for turn in turns[same:]]
        if not self._shown:
            self._first = len(turns)
        self._anchor = None
        self._size_spacers()
        self._mark_last()
        place = next((index for index, turn in enumerate(turns) if turn.message is at), None)
        if place is not None:
            self._anchor = (place, _GAP if offset is None else offset)
        self._fill()

    def _in_common(self, turns: list[Turn]) -> int:
        """With how many equal turns this branch and the one shown begin; the last one shown may be half of a reply."""
        same = 0
        for old, new in zip(self._turns[:-1], turns, strict=False):
            alike = old.message is new.message and (old.place, old.branches) == (new.place, new.branches)
            is_half = old.message.role == "assistant" and old.message.stop_reason is None
            if not alike or is_half:
                break
            same += 1
        return same

    def offset_of(self, message: Message) -> int | None:
        """How far a message that is shown is below the top edge, in pixels."""
        for index, view in enumerate(self._shown, self._first):
            if view.turn.message is message:
                return self._y(index) - self.verticalScrollBar().value()
        return None

    def append(self, turn: Turn) -> None:
        """Show a turn at the end, and go there."""
        self._turns.append(turn)
        self._heights.append(self._estimate(turn.message))
        self._mark_last()
        self.follow()

    def clear(self) -> None:
        """Remove all messages."""
        while self._shown:
            self._drop(self._shown.pop())
        self._turns, self._heights, self._first, self._anchor = [], [], 0, None
        self._size_spacers()

    def extend(self, message: Message, pieces: list[Piece]) -> None:
        """Pieces were put at the end of a reply that may be shown."""
        view = self._view_of(message)
        if isinstance(view, ReplyMessage):
            view.extend(pieces)

    def finish(self, message: Message) -> None:
        """A reply that may be shown has ended."""
        view = self._view_of(message)
        if isinstance(view, ReplyMessage):
            view.finish()
        self._mark_last()

    def write_on(self, message: Message) -> None:
        """A reply is about to be continued."""
        view = self._view_of(message)
        if isinstance(view, ReplyMessage):
            view.go_on_writing()
        self.follow()

    def set_busy(self, busy: bool) -> None:
        """Whether the model is at something, so that nothing can be asked of it."""
        self._busy = busy
        self._mark_last()

    def show_drafted(self, shown: bool) -> None:
        """Colour letters by origin in all replies, or stop doing so."""
        self._show_drafted = shown
        for view in self._shown:
            if isinstance(view, ReplyMessage):
                view.body.show_drafted(shown)

    def mark(self, text: str) -> list[int]:
        """Mark a text wherever it stands; returns the numbers of the turns that have it."""
        self._marked = text
        for view in self._shown:
            view.mark(text)
        wanted = text.casefold()
        return [n for n, turn in enumerate(self._turns) if wanted and wanted in turn.message.text.casefold()]

    def go_to(self, number: int) -> None:
        """Show the turn with this number, and in it the first place that is marked."""
        self._anchor = (number, _GAP)
        self._fill()
        if 0 <= number - self._first < len(self._shown):
            place = self._shown[number - self._first].mark(self._marked) or 0
            if place > self.viewport().height() // 2:
                self._anchor = (number, self.viewport().height() // 3 - place)
        self._settle()
        self._fill()

    def renew(self) -> None:
        """Take the theme's present colours."""
        self.to_end.setIcon(icon("down"))
        for view in self._shown:
            view.renew()
            if self._marked:
                view.mark(self._marked)

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._anchor = None
        self._fill()
        self._settle()

    # -- where things are ----------------------------------------------------------------------------------------

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._fill_soon.start()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.to_end.setGeometry((self.viewport().width() - 32) // 2, self.viewport().height() - 42, 32, 32)
        self._fill_soon.start()

    def _on_scrolled(self, value: int) -> None:
        if not self._settling:
            at_end = value >= self.verticalScrollBar().maximum() - _NEAR_END
            self._anchor = None if at_end else self._top_turn()
            self._fill()
        self.to_end.setVisible(value < self.verticalScrollBar().maximum() - _NEAR_END)

    def _settle(self, *_range) -> None:
        """After things were laid out: what was looked at stays where it was."""
        if self._settling or not self._turns:
            return
        bar = self.verticalScrollBar()
        value = bar.maximum() if self._anchor is None else self._y(self._anchor[0]) - self._anchor[1]
        if value != bar.value():
            self._settling = True
            bar.setValue(value)
            self._settling = False
        self._fill_soon.start()

    def _top_turn(self) -> tuple[int, int]:
        """The first turn in sight, and how far it is below the top edge."""
        value = self.verticalScrollBar().value()
        for index, view in enumerate(self._shown, self._first):
            if self._column.y() + view.y() + view.height() > value:
                if index == self._first and self._y(index) > value + self.viewport().height():
                    break
                return index, self._y(index) - value
        tops = self._tops()
        index = max(bisect_right(tops, value) - 1, 0)
        return index, tops[index] - value

    def _tops(self) -> list[int]:
        """Where every turn begins, by what is known of the heights."""
        start = self._column.y()
        return [start + top for top in accumulate((height + _GAP for height in self._heights[:-1]), initial=0)]

    def _y(self, index: int) -> int:
        """Where a turn begins on the page."""
        if 0 <= index - self._first < len(self._shown):
            return self._column.y() + self._shown[index - self._first].y()
        return self._tops()[index]

    # -- making and giving up widgets ----------------------------------------------------------------------------

    def _fill(self) -> None:
        """Make the messages that are in sight or nearly so, and give up those that are far away."""
        if self._filling or not self._turns or not self.isVisible():
            return
        self._filling = True
        try:
            while self._step():
                self._size_spacers()
                # The new widgets find their heights before the next step looks at them.
                QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
                self._settle()
            self._trim()
        finally:
            self._filling = False

    def _step(self) -> bool:
        """Make some messages where some are missing; returns whether any were."""
        height = max(self.viewport().height(), 100)
        top = self.verticalScrollBar().value()
        wanted = len(self._turns) - 1 if self._anchor is None else min(self._anchor[0], len(self._turns) - 1)
        end = self._first + len(self._shown)
        if not self._shown or not self._first - 1 <= wanted <= end:
            while self._shown:
                self._drop(self._shown.pop())
            self._first = wanted
            self._make(wanted, 0)
            return True
        below = self._column.y() + self._shown[-1].y() + self._shown[-1].height()
        if end < len(self._turns) and (self._anchor is None or below < top + height * (1 + _AHEAD)):
            for index in range(end, min(end + _AT_ONCE, len(self._turns))):
                self._make(index, len(self._shown))
            return True
        if self._first and self._y(self._first) > top - height * _AHEAD:
            for _ in range(min(_AT_ONCE, self._first)):
                self._first -= 1
                self._make(self._first, 0)
            return True
        return False

    def _trim(self) -> None:
        height = max(self.viewport().height(), 100)
        top, before = self.verticalScrollBar().value(), len(self._shown)
        while len(self._shown) > 1:
            view = self._shown[0]
            if self._column.y() + view.y() + view.height() > top - height * _AWAY:
                break
            self._drop(self._shown.pop(0))
            self._first += 1
        while len(self._shown) > 1 and self._column.y() + self._shown[-1].y() > top + height * (1 + _AWAY):
            self._drop(self._shown.pop())
        if len(self._shown) != before:
            self._size_spacers()

    def _make(self, index: int, at: int) -> None:
        turn = self._turns[index]
        view: MessageView
        if turn.message.role == "user":
            view = UserMessage(turn)
        else:
            view = ReplyMessage(turn, self._show_drafted)
        key = turn.message.id
        view.regenerate.connect(lambda: self.regenerate.emit(key))
        view.go_on.connect(lambda: self.go_on.emit(key))
        view.edited.connect(lambda text: self.edited.emit(key, text))
        view.branch_wanted.connect(lambda step: self.branch_wanted.emit(key, step))
        view.foot.delete.clicked.connect(lambda: self.delete_wanted.emit(key))
        view.link_clicked.connect(self.link_clicked)
        view.set_last(index + 1 == len(self._turns), self._busy)
        if self._marked:
            view.mark(self._marked)
        if key in self._edits:
            view.start_editing(self._edits.pop(key))
        self._shown.insert(at, view)
        self._layout.insertWidget(1 + at, view)
        view.show()  # else it is shown, and has a height, only when the event loop comes to it

    def _drop(self, view: MessageView) -> None:
        if view.editor is not None:
            self._edits[view.turn.message.id] = view.editor.text
        if view.isAncestorOf(QApplication.focusWidget() or self):
            self.setFocus()  # else the next widget gets it, and is scrolled to
        index = next((i for i, turn in enumerate(self._turns) if turn is view.turn), None)
        if index is not None and view.height() > 0:
            self._heights[index] = view.height()
        self._layout.removeWidget(view)
        view.hide()
        view.deleteLater()

    def _size_spacers(self) -> None:
        end = self._first + len(self._shown)
        for spacer, heights in ((self._above, self._heights[: self._first]), (self._below, self._heights[end:])):
            spacer.setVisible(bool(heights))
            spacer.setFixedHeight(max(0, sum(heights) + _GAP * (len(heights) - 1)))

    def _estimate(self, message: Message) -> int:
        """A guess at a height: right on the whole, wrong on each."""
        width = min(self.viewport().width() - 40, COLUMN_WIDTH) * (0.75 if message.role == "user" else 1)
        letters = max(20, int(width / 7))
        lines = sum(1 + len(line) // letters for line in message.text.splitlines())
        return 52 + 20 * lines

    def _mark_last(self) -> None:
        for index, view in enumerate(self._shown, self._first):
            view.set_last(index + 1 == len(self._turns), self._busy)

    def _view_of(self, message: Message) -> MessageView | None:
        return next((view for view in self._shown if view.turn.message is message), None)


class _Column(QWidget):
    """Tells when its messages were laid out anew."""

    def __init__(self, settled):
        super().__init__(objectName="Column")
        self._settled = settled

    def event(self, event) -> bool:
        done = super().event(event)
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self._settled()
        return done
