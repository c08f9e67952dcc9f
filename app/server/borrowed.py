"""The window's model, lent to the server between the window's own answers."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from app.engine.live import LiveSettings
from app.server.backend import Prompt, answer
from app.server.errors import ServerError
from s3d_core.errors import ModelError
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.stats import ModelInfo, Round

_LOOK_EVERY = 0.1


class Lender(Protocol):
    """What the window's `EngineLink` is to the server.

    Attributes:
        settings: the speed panel's sliders.
        info: the model in memory, or None. plain_ms: of one plain decoding step, or None.
    """

    settings: LiveSettings
    info: ModelInfo | None
    plain_ms: float | None

    def borrow(self, use: Callable[[Any, Callable[[], bool]], None]) -> bool:
        """Have `use` called with the engine and with whether it should stop, see `EngineWorker.borrow`."""


class BorrowedBackend:
    """A `Backend` on the engine of another thread, drafting as the window's sliders say."""

    def __init__(self, lender: Lender):
        self._lender = lender

    @property
    def info(self) -> ModelInfo | None:
        """The window's present model."""
        return self._lender.info

    @property
    def plain_ms(self) -> float | None:
        """As the window knows it."""
        return self._lender.plain_ms

    def generate(
        self, prompt: Prompt, sampling: SamplingSettings, draft: Mapping[str, Any], cancel: Callable[[], bool]
    ) -> Iterator[Round]:
        """See `Backend`. What the window is at goes first."""
        outbox: queue.SimpleQueue[Round | BaseException | None] = queue.SimpleQueue()
        gone = threading.Event()

        def settings() -> DraftSettings:
            return replace(self._lender.settings.value, **draft)

        def use(engine: Any, is_stopped: Callable[[], bool]) -> None:
            try:
                if engine is None:
                    raise ModelError("No model is loaded; load one in the window first.")
                if not gone.is_set():
                    over = lambda: gone.is_set() or is_stopped() or cancel()  # noqa: E731
                    for done in answer(engine, prompt, sampling, settings, over):
                        outbox.put(done)
                outbox.put(None)
            except BaseException as error:
                outbox.put(error)

        if not self._lender.borrow(use):
            raise ServerError("The window is being closed.")
        try:
            while not (outbox.empty() and cancel()):
                try:
                    item = outbox.get(timeout=_LOOK_EVERY)
                except queue.Empty:
                    continue
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            gone.set()
