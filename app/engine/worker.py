"""The thread that owns the decoder.

Jobs come through a queue and run one after the other. Everything that leaves the thread is a plain value: signals
for what happens now and then, `outbox` for rounds, which are too many for a signal each.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from app.chats.overflow import DROP, ContextPlan, fit, room_for_prompt
from app.diagnostics.private import keeping_private, private
from app.engine.compare import compare
from app.engine.live import LiveSettings
from app.engine.parts import CancelledError, Parts, Progress, real_parts
from app.engine.phase import Phase
from app.engine.sentences import ON_CPU, SLOWER, TOO_LONG, explain, give_back, is_gpu_lost
from s3d_core.errors import PromptError, S3DError, is_out_of_memory
from s3d_core.settings import PROBE_EVERY, DraftSettings, SamplingSettings
from s3d_core.stats import Round, Totals
from s3d_core.tune import Guard

log = logging.getLogger(__name__)

PROGRESS_EVERY = 0.05
MEMORY_EVERY = 1.0


@dataclass
class Job:
    """One thing to do. `cancel` is set by the window, from its own thread."""

    kind: str
    action: Callable[["Job"], None]
    cancel: threading.Event = field(default_factory=threading.Event)


class EngineWorker(QThread):
    """Runs jobs on the decoder, one at a time, until `close`.

    Signals:
        phase_changed: one of `Phase`.
        progress: (sentence, share from 0 to 1) of a download or a load.
        prefill: (tokens read, tokens to read).
        models_listed: list of installed models.
        opening: path of the model being loaded. loaded: ModelInfo. unloaded: no model is in memory.
        plain_measured: milliseconds of one plain decoding step on this machine.
        reply_finished: Totals of the reply.
        compare_progress: (tokens written, tokens to write) of a comparison. compared: Comparison, or None if stopped.
        counted: (tokens of the messages, tokens of each text), see `count`.
        dropped: messages that were left out of the reply about to be written, as the context cannot hold them.
        refused: (path of a model that does not fit into the memory, sentence).
        failed: (kind of job, or "memory" for an answer that memory was too short for; sentence).
        notice: a sentence worth showing.
        memory_changed: bytes by name, from `Engine.memory`.
    """

    phase_changed = Signal(str)
    progress = Signal(str, float)
    prefill = Signal(int, int)
    models_listed = Signal(object)
    opening = Signal(object)
    loaded = Signal(object)
    unloaded = Signal()
    plain_measured = Signal(float)
    reply_finished = Signal(object)
    compare_progress = Signal(int, int)
    compared = Signal(object)
    counted = Signal(int, object)
    dropped = Signal(int)
    failed = Signal(str, str)
    refused = Signal(object, str)
    notice = Signal(str)
    memory_changed = Signal(object)

    def __init__(self, settings: LiveSettings, parts: Parts | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self.setObjectName("engine")
        self.outbox: deque[Round] = deque()
        self._settings = settings
        self._parts = parts or real_parts()
        self.precision = self._parts.precision
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._pending: list[Job] = []
        self._lock = threading.Lock()
        self._engine: Any = None
        self._last_good: Path | None = None
        self._closing = False
        self._plain_ms: float | None = None
        self._last_progress = ("", 0.0)

    # -- called by the window's thread ---------------------------------------------------------------------------

    def open_first(self) -> None:
        """List the installed models and load the first; fetch the default model when there is none."""
        self._put(Job("fetch", self._open_first))

    def load(self, path: Path, anyway: bool = False) -> None:
        """Load a model in the place of the present one; `anyway` even where it does not seem to fit."""
        self._put(Job("load", lambda job: self._load(job, path, anyway)))

    def unload(self) -> None:
        """Give the model's memory back."""
        self._put(Job("unload", lambda job: self._unload()))

    def answer(self, messages: list[dict], sampling: SamplingSettings, plan: ContextPlan) -> None:
        """Write a reply to messages of {"role", "content"}, or go on with the reply that is the last of them."""
        self._put(Job("answer", lambda job: self._answer(job, messages, sampling, plan)))

    def count(self, messages: list[dict], texts: list[str]) -> None:
        """Count the tokens of a chat, and of texts by themselves. Of several that wait only the last is done."""
        with self._lock:
            for job in self._pending:
                if job.kind == "count":
                    job.cancel.set()
        self._put(Job("count", lambda job: self._count(messages, texts)))

    def compare(
        self, messages: list[dict], settings: DraftSettings, sampling: SamplingSettings, plan: ContextPlan
    ) -> None:
        """Measure plain decoding against `settings` on the reply to messages of {"role", "content"}."""
        self._put(Job("compare", lambda job: self._compare(job, messages, settings, sampling, plan)))

    def borrow(self, use: Callable[[Any, Callable[[], bool]], None]) -> bool:
        """Let `use` have the engine in this thread when its turn comes; may be called from any thread.

        Args:
            use: called once with the engine, or None without a model, and with a function that says whether to
                stop. It raises nothing.

        Returns:
            False when the thread is ending, and `use` will not be called.
        """
        return self._put(Job("lend", lambda job: use(self._engine, job.cancel.is_set)))

    def cancel(self, lent: bool = False) -> None:
        """Stop what runs now, and drop what waits; with `lent` also what others do with the engine."""
        with self._lock:
            self._cancel(lent)

    def close(self) -> None:
        """Stop everything and end the thread; `finished` follows."""
        with self._lock:
            self._closing = True
            self._cancel(lent=True)
            self._queue.put(None)

    def _cancel(self, lent: bool) -> None:
        for job in self._pending:
            if lent or job.kind != "lend":
                job.cancel.set()

    def _put(self, job: Job) -> bool:
        """Take a job in, or say that the thread is ending and none is done any more."""
        with self._lock:  # what came behind the end of the queue would be waited for in vain
            if not self._closing:
                self._pending.append(job)
                self._queue.put(job)
            return not self._closing

    # -- the thread ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The thread's life."""
        while (job := self._queue.get()) is not None:
            self._run_job(job)
            with self._lock:
                self._pending.remove(job)
        with contextlib.suppress(Exception):  # the process ends and gives all back
            self._close_engine()

    def _run_job(self, job: Job) -> None:
        if job.kind == "lend":  # tells its own end, and is none of the window's phases
            try:
                job.action(job)
            except BaseException as error:
                explain(error)
            return
        try:
            if not job.cancel.is_set():
                job.action(job)
            elif job.kind == "answer":
                self.reply_finished.emit(Totals(stop_reason="cancelled"))
        except BaseException as error:
            # Whatever it was, this thread goes on: without it the window would wait for ever.
            self._tell(job, error)
        # Counting is no phase: the window may have asked for an answer meanwhile.
        if job.kind != "count":
            self.phase_changed.emit(Phase.READY if self._engine is not None else Phase.EMPTY)

    def _tell(self, job: Job, error: BaseException) -> None:
        """Say what a job broke off with, and give back what it held."""
        short = is_out_of_memory(error)
        if short:
            give_back(error)
        if not job.cancel.is_set():
            if short and job.kind == "answer":
                self.failed.emit("memory", TOO_LONG)
            else:
                self.failed.emit(job.kind, explain(error))
        elif job.kind == "answer":
            self.reply_finished.emit(Totals(stop_reason="cancelled"))
        if is_gpu_lost(error):
            self._go_on_without_gpu()

    def _open_first(self, job: Job) -> None:
        self.phase_changed.emit(Phase.STARTING)
        models = self._parts.list_models()
        self.models_listed.emit(models)
        if models:
            job.kind = "load"
            self._load(job, models[0].path)
            return
        self.phase_changed.emit(Phase.FETCHING)
        path = self._parts.fetch_default(self._reporter(job))
        self.models_listed.emit(self._parts.list_models())
        job.kind = "load"
        self._load(job, path)

    def _load(self, job: Job, path: Path, anyway: bool = False) -> None:
        """The old model makes room first, and comes back when the new one cannot be used."""
        before = self._last_good
        if not anyway and (why := self._parts.refuse(path)):
            self.refused.emit(path, why)
            return
        self._close_engine()
        try:
            self._open(path, self._reporter(job))
        except Exception as error:
            if before is None or before == path or self._closing or self._another_load_waits():
                raise
            if not job.cancel.is_set():
                self.failed.emit(job.kind, explain(error))
            self._open(before, self._reporter(None))

    def _unload(self) -> None:
        self._close_engine()
        self._last_good = None

    def _another_load_waits(self) -> bool:
        with self._lock:
            return any(job.kind == "load" and not job.cancel.is_set() for job in self._pending[1:])

    def _open(self, path: Path, report: Progress, open_engine: Callable[[Path, Progress], Any] | None = None) -> None:
        self.phase_changed.emit(Phase.LOADING)
        self.opening.emit(path)
        engine = (open_engine or self._parts.open_engine)(path, report)
        self._engine, self._last_good = engine, path
        self.loaded.emit(engine.info)
        if engine.info.notice:
            self.notice.emit(engine.info.notice)
        self.memory_changed.emit(engine.memory())
        if engine.plain_ms is None:
            self.phase_changed.emit(Phase.MEASURING)
            engine.measure_plain()
        self._tell_plain(engine)

    def _go_on_without_gpu(self) -> None:
        """Load the model once more, on the CPU."""
        open_on_cpu, path = self._parts.open_on_cpu, self._last_good
        if self._engine is None or open_on_cpu is None or path is None or self._engine.info.device == "cpu":
            return
        try:
            with contextlib.suppress(Exception):  # whatever touches the GPU now may fail
                self._close_engine()
            self._open(path, self._reporter(None), open_on_cpu)
        except BaseException as error:
            self.failed.emit("load", explain(error))
        else:
            self.notice.emit(ON_CPU)

    def _close_engine(self) -> None:
        engine, self._engine, self._plain_ms = self._engine, None, None
        if engine is not None:
            try:
                engine.close()
            finally:
                del engine  # whoever hears of it below finds the memory given back
                self.memory_changed.emit({})
                self.unloaded.emit()

    def _count(self, messages: list[dict], texts: list[str]) -> None:
        engine = self._engine
        if engine is not None:
            with keeping_private([message["content"] for message in messages] + texts):
                try:
                    whole = engine.count(messages) if messages else 0
                except PromptError:  # it will be said when it is sent
                    whole = 0
                self.counted.emit(whole, [engine.count_text(text) for text in texts])

    def _answer(self, job: Job, messages: list[dict], sampling: SamplingSettings, plan: ContextPlan) -> None:
        engine = self._loaded_engine()
        started = told = time.perf_counter()
        self.phase_changed.emit(Phase.READING)
        totals, guard = Totals(plain_ms=engine.plain_ms), Guard()
        limit = plan.limit_of(engine.info.context_limit)
        messages, dropped = _read(engine, messages, sampling, plan)
        if dropped:
            self.dropped.emit(dropped)

        def settings() -> DraftSettings:
            return guard.settings(self._settings.value)

        goes_on = messages[-1]["role"] == "assistant"
        rounds = engine.generate(
            engine.chat_ids(messages, continue_last=True) if goes_on else engine.chat_ids(messages),
            settings,
            sampling,
            cancel=job.cancel.is_set,
            on_prefill=self.prefill.emit,
            probe_every=PROBE_EVERY,
            context=limit,
            **({"within_text": True} if goes_on else {}),
        )
        for done in rounds:
            now = time.perf_counter()
            if totals.rounds == 0:
                totals.prefill_ms = max(0.0, 1000 * (now - started) - done.total_ms)
                self.phase_changed.emit(Phase.WRITING)
            self._tell_plain(engine)
            totals.plain_ms = engine.plain_ms
            totals.add(done)
            self.outbox.append(done)
            private.write_on(done.text)
            if guard.add(done, engine.plain_ms):
                self.notice.emit(SLOWER)
            if now - told > MEMORY_EVERY:
                told = now
                self.memory_changed.emit(engine.memory())
        self.memory_changed.emit(engine.memory())
        self.reply_finished.emit(totals)

    def _compare(
        self, job: Job, messages: list[dict], settings: DraftSettings, sampling: SamplingSettings, plan: ContextPlan
    ) -> None:
        engine = self._loaded_engine()
        self.phase_changed.emit(Phase.COMPARING)
        messages, _ = _read(engine, messages, sampling, plan)
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            now = time.perf_counter()
            if now - told > PROGRESS_EVERY:
                told = now
                self.compare_progress.emit(done, total)

        self.compared.emit(compare(engine, messages, settings, sampling, job.cancel.is_set, progress))
        self._tell_plain(engine)

    def _loaded_engine(self) -> Any:
        if self._engine is None:
            raise S3DError("No model is loaded: choose one at the top of the window.")
        return self._engine

    def _tell_plain(self, engine) -> None:
        if engine.plain_ms is not None and engine.plain_ms != self._plain_ms:
            self._plain_ms = engine.plain_ms
            self.plain_measured.emit(engine.plain_ms)

    def _reporter(self, job: Job | None) -> Progress:
        """A progress callback that leaves by raising when the job is cancelled, and tells the window now and then."""

        def report(sentence: str, share: float) -> None:
            if self._closing or (job is not None and job.cancel.is_set()):
                raise CancelledError
            now = time.perf_counter()
            before, when = self._last_progress
            if sentence != before or now - when > PROGRESS_EVERY:
                self._last_progress = (sentence, now)
                self.progress.emit(sentence, share)

        return report


def _read(engine: Any, messages: list[dict], sampling: SamplingSettings, plan: ContextPlan) -> tuple[list[dict], int]:
    """What of a chat the model is to read, and how many of its oldest turns are left out."""
    for message in messages:
        private.remember(message["content"])
    if plan.overflow != DROP:
        return messages, 0
    room = room_for_prompt(plan.limit_of(engine.info.context_limit), sampling.max_tokens)
    return fit(messages, engine.count, room)
