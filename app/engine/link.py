"""What the window sees of the decoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.chats.overflow import ContextPlan
from app.engine.live import LiveSettings
from app.engine.parts import Parts
from app.engine.phase import Phase
from app.engine.worker import EngineWorker
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import ModelInfo, Totals

FLUSH_MS = 40


class EngineLink(QObject):
    """Asks the worker for things and passes on what it tells, in the window's thread.

    Attributes:
        settings: the draft settings the worker reads each round.
        phase: one of `Phase`.
        info: the model in memory, or None.
        precision: what models are loaded in; see `set_precision`.

    Signals: those of `EngineWorker`, and
        rounds_done: list of Rounds since the last flush, in order; always before `finished`.
        finished: Totals of the reply.
        closed: the thread has ended.
    """

    phase_changed = Signal(str)
    progress = Signal(str, float)
    prefill = Signal(int, int)
    models_listed = Signal(object)
    opening = Signal(object)
    loaded = Signal(object)
    unloaded = Signal()
    plain_measured = Signal(float)
    rounds_done = Signal(object)
    finished = Signal(object)
    compare_progress = Signal(int, int)
    compared = Signal(object)
    counted = Signal(int, object)
    dropped = Signal(int)
    failed = Signal(str, str)
    refused = Signal(object, str)
    notice = Signal(str)
    memory_changed = Signal(object)
    closed = Signal()

    def __init__(self, parts: Parts | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self.settings = LiveSettings()
        self.phase = Phase.EMPTY
        self.info: ModelInfo | None = None
        self.plain_ms: float | None = None
        self.is_closed = False
        self._closing = False
        self._worker = EngineWorker(self.settings, parts, self)
        self.precision = self._worker.precision
        self._path: Path | None = None
        self._flush_timer = QTimer(self, interval=FLUSH_MS)
        self._flush_timer.timeout.connect(self._flush)
        worker = self._worker
        worker.phase_changed.connect(self._on_phase)
        worker.opening.connect(self._on_opening)
        worker.loaded.connect(self._on_loaded)
        worker.unloaded.connect(self._on_unloaded)
        worker.plain_measured.connect(self._on_plain)
        worker.reply_finished.connect(self._on_reply_finished)
        worker.failed.connect(self._on_failed)
        worker.finished.connect(self._on_thread_finished)
        passed_on = ("progress", "prefill", "models_listed", "notice", "memory_changed", "refused")
        for name in (*passed_on, "compare_progress", "compared", "counted", "dropped"):
            getattr(worker, name).connect(getattr(self, name))

    @property
    def answering(self) -> bool:
        """A reply is being read for or written."""
        return self.phase in Phase.ANSWERING

    @property
    def busy(self) -> bool:
        """The worker is at something that `stop` would end."""
        return self.phase in Phase.BUSY

    def start(self) -> None:
        """Start the thread; it loads the first installed model, or fetches the default one."""
        self._worker.start()
        self.open_first()

    def open_first(self) -> None:
        """Try (again) to get a model into memory."""
        self._worker.open_first()

    def load(self, path: Path, anyway: bool = False) -> None:
        """Load another model; what runs now is stopped first. `anyway` even where it does not seem to fit."""
        self._worker.cancel(lent=True)
        self._worker.load(path, anyway)

    def set_precision(self, wanted: str) -> None:
        """Hold models in this precision from now on, "auto" or one of them; the present one is loaded anew."""
        if wanted != self.precision.wanted:
            self.precision.wanted = wanted
            self._load_again()

    def measure_precisions(self) -> None:
        """Measure anew which precision is the fastest, and load the present model in it."""
        self.precision.again = True
        self._load_again()

    def _load_again(self) -> None:
        if self._path is not None:
            self.load(self._path)

    def unload(self) -> None:
        """Give the model's memory back; what runs now is stopped first."""
        self._path = None
        self._worker.cancel(lent=True)
        self._worker.unload()

    def ask(self, messages: list[dict], sampling: SamplingSettings, plan: ContextPlan | None = None) -> None:
        """Write a reply, or go on with the last one. `rounds_done` and then `finished` or `failed` follow.

        Args:
            plan: how much of the context may be used, and what is done when the chat is longer.
        """
        self._on_phase(Phase.READING)
        self._worker.answer(messages, sampling, plan or ContextPlan())

    def count(self, messages: list[dict], texts: list[str] | None = None) -> None:
        """Count tokens in the decoder's thread; `counted` follows once it is free, unless more is asked before."""
        self._worker.count(messages, texts or [])

    def compare(
        self,
        settings: DraftSettings,
        messages: list[dict],
        sampling: SamplingSettings,
        plan: ContextPlan | None = None,
    ) -> None:
        """Measure plain decoding against `settings` on a chat; `compare_progress`, `compared` or `failed` follow."""
        self._on_phase(Phase.COMPARING)
        self._worker.compare(messages, settings, sampling, plan or ContextPlan())

    def borrow(self, use: Callable[[Any, Callable[[], bool]], None]) -> bool:
        """Let `use` have the engine in the worker's thread, see `EngineWorker.borrow`."""
        return self._worker.borrow(use)

    def stop(self) -> None:
        """Stop what runs now: a reply within a round, a load or a download at its next progress step."""
        self._worker.cancel()

    def close(self) -> None:
        """End the thread; `closed` follows. May be called again."""
        if self._closing:
            return
        self._closing = True
        was_running = self._worker.isRunning()
        self._worker.close()
        if not was_running:
            self._on_thread_finished()

    @Slot(str)
    def _on_phase(self, phase: str) -> None:
        self.phase = phase
        if phase == Phase.WRITING:
            self._flush_timer.start()
        elif phase not in Phase.ANSWERING:
            self._flush_timer.stop()
        self.phase_changed.emit(phase)

    @Slot(object)
    def _on_opening(self, path: Path) -> None:
        self._path = path
        self.opening.emit(path)

    @Slot(object)
    def _on_loaded(self, info: ModelInfo) -> None:
        self.info = info
        self.settings.swap(info.defaults)
        self.loaded.emit(info)

    @Slot()
    def _on_unloaded(self) -> None:
        self.info, self.plain_ms = None, None
        self.unloaded.emit()

    @Slot(float)
    def _on_plain(self, milliseconds: float) -> None:
        self.plain_ms = milliseconds
        self.plain_measured.emit(milliseconds)

    @Slot(object)
    def _on_reply_finished(self, totals: Totals) -> None:
        self._flush()
        self.finished.emit(totals)

    @Slot(str, str)
    def _on_failed(self, kind: str, sentence: str) -> None:
        self._flush()
        self.failed.emit(kind, sentence)

    @Slot()
    def _on_thread_finished(self) -> None:
        self._flush_timer.stop()
        self.is_closed = True
        self.closed.emit()

    @Slot()
    def _flush(self) -> None:
        outbox, rounds = self._worker.outbox, []
        while outbox:
            rounds.append(outbox.popleft())
        if rounds:
            self.rounds_done.emit(rounds)
