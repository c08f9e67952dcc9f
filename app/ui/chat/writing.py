"""The reply being written: from the decoder into the message and onto the disk, at most a second later."""

from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from app.chats.conversation import Conversation
from app.chats.errors import StoreError
from app.chats.figures import figures_of
from app.chats.model import FAILED, Message
from app.chats.store import Store
from app.engine.link import EngineLink
from s3d_core.stats import Round, Totals

FLUSH_MS = 700
RETRY_MS = 3000


@dataclass
class Writing:
    """A reply being written.

    Attributes:
        before: the leaf to go back to when not a letter comes.
        asked: the user's turn that was made for it, if one was.
        stood: how it had ended before it was continued, if it was: stop reason and figures.
        letters: what it had before.
    """

    conversation: Conversation
    reply: Message
    before: int | None
    asked: Message | None = None
    stood: tuple[str | None, dict] | None = None
    letters: int = 0

    @property
    def has_grown(self) -> bool:
        """At least a letter came."""
        return len(self.reply.text) > self.letters


class ReplyWriter(QObject):
    """Attributes:
        current: what is being written, or None.

    Signals:
        extended: (message, pieces).
        ended: the Writing whose reply came to an end.
        undone: the Writing of which nothing came; the store still has the empty reply.
        measured: Totals of a reply that ended, or in which nothing came.
        troubled: a sentence; what could not be written is tried again.
    """

    extended = Signal(object, object)
    ended = Signal(object)
    undone = Signal(object)
    measured = Signal(object)
    troubled = Signal(str)

    def __init__(self, store: Store, link: EngineLink, parent: QObject | None = None):
        super().__init__(parent)
        self.current: Writing | None = None
        self._store, self._link = store, link
        self._unwritten: dict[int, Message] = {}
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._flush)
        link.rounds_done.connect(self._on_rounds)
        link.finished.connect(self._on_finished)
        link.failed.connect(self._on_failed)

    def start(self, writing: Writing, asked: tuple) -> None:
        """Ask the model; `asked` are the arguments of `EngineLink.ask`."""
        self.current = writing
        self._link.ask(*asked)

    def close(self) -> None:
        """Write what is not written yet, for the last time."""
        if self.current is not None:
            self.current.reply.stop_reason = "cancelled"
            self._unwritten[self.current.reply.id] = self.current.reply
        self._flush()
        self._timer.stop()

    def _on_rounds(self, rounds: list[Round]) -> None:
        if self.current is None:
            return
        pieces = [piece for done in rounds for piece in done.pieces if piece[0]]
        if pieces:
            reply = self.current.reply
            reply.pieces += pieces
            self._unwritten[reply.id] = reply
            if not self._timer.isActive():
                self._timer.start(FLUSH_MS)
            self.extended.emit(reply, pieces)

    def _on_finished(self, totals: Totals) -> None:
        if self.current is None:
            return
        self.measured.emit(totals)
        model = self._link.info.name if self._link.info else ""
        if self.current.has_grown or totals.stop_reason != "cancelled":
            self._end(totals.stop_reason or "stop", figures_of(totals, model))
        else:
            self._undo()

    def _on_failed(self, kind: str, sentence: str) -> None:
        if kind not in ("answer", "memory") or self.current is None:
            return
        if self.current.has_grown:
            self._end(FAILED, {})
        else:
            self._undo()

    def _end(self, reason: str, figures: dict) -> None:
        writing, self.current = self.current, None
        if writing is not None:
            reply = writing.reply
            reply.stop_reason, reply.figures = reason, figures
            self._unwritten[reply.id] = reply
            self._flush()
            self.ended.emit(writing)

    def _undo(self) -> None:
        writing, self.current = self.current, None
        self.undone.emit(writing)

    def _flush(self) -> None:
        try:
            for message in list(self._unwritten.values()):
                self._store.write(message)
                del self._unwritten[message.id]
        except StoreError as error:
            self._timer.start(RETRY_MS)
            self.troubled.emit(str(error))
