"""One answer at a time, some waiting, the others sent away; and none for a client that has gone."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from app.server.backend import Backend
from app.server.errors import BUSY, SERVER, ApiError, as_api_error
from app.server.requests import Wanted
from s3d_core.stats import Round

MOST_WAITING = 8
STOPPING = "The server is stopping."

Result = TypeVar("Result")


class Answers:
    """The way from the event loop to the backend's thread and back.

    Attributes:
        waiting: requests whose turn has not come yet.
        answering: the backend is at work.
    """

    def __init__(self, backend: Backend, most_waiting: int = MOST_WAITING):
        self.backend = backend
        self.waiting = 0
        self._most_waiting = most_waiting
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "answering")
        self._seconds: deque[float] = deque(maxlen=8)
        self._stopped = threading.Event()

    @property
    def answering(self) -> bool:
        """The backend is at work."""
        return self._turn.locked()

    def stop(self) -> None:
        """End the present answer within a round and write no more. May be called from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Wait for the backend's thread to end."""
        self.stop()
        self._thread.shutdown()

    async def rounds(self, wanted: Wanted) -> AsyncGenerator[tuple[Round, float], None]:
        """The rounds of an answer, each with the milliseconds since its turn came.

        Closed early, it ends the answer within a round.

        Raises:
            ApiError: too many are waiting, the answer was stopped, or the backend failed.
        """
        await self._take_turn()
        loop = asyncio.get_running_loop()
        outbox: asyncio.Queue[Round | BaseException | None] = asyncio.Queue()
        gone, began = threading.Event(), time.perf_counter()

        def put(item: Round | BaseException | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(outbox.put_nowait, item)

        def is_over() -> bool:
            return gone.is_set() or self._stopped.is_set()

        def write() -> None:
            try:
                for done in self.backend.generate(wanted.prompt, wanted.sampling, wanted.draft, is_over):
                    put(done)
                put(None)
            except BaseException as error:
                put(error)

        def give_turn_back(future: asyncio.Future) -> None:
            # By the thread's end, not the reader's: a client that reads slowly holds nobody up.
            self._seconds.append(time.perf_counter() - began)
            self._turn.release()

        has_ended = False
        loop.run_in_executor(self._thread, write).add_done_callback(give_turn_back)
        try:
            while (item := await outbox.get()) is not None:
                if isinstance(item, BaseException):
                    raise as_api_error(item) from item
                if item.stop_reason == "cancelled":
                    sentence = STOPPING if self._stopped.is_set() else "The answer was stopped in the window."
                    raise ApiError(sentence, 503, SERVER)
                has_ended = item.stop_reason is not None
                yield item, 1000 * (time.perf_counter() - began)
            if not has_ended:
                raise ApiError(STOPPING, 503, SERVER)
        finally:
            gone.set()

    async def _take_turn(self) -> None:
        if self._turn.locked() and self.waiting >= self._most_waiting:
            raise ApiError(
                f"{self.waiting} requests are waiting already; try again later.",
                429,
                BUSY,
                code="rate_limit_exceeded",
                headers={"Retry-After": str(self._retry_after())},
            )
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1
        if self._stopped.is_set():
            self._turn.release()
            raise ApiError(STOPPING, 503, SERVER)

    def _retry_after(self) -> int:
        """Seconds that one answer took of late, by which a place among the waiting comes free."""
        return max(1, math.ceil(sum(self._seconds) / len(self._seconds))) if self._seconds else 1


async def unless_gone(receive: Receive, work: Awaitable[Result]) -> Result:
    """What `work` gives. It is cancelled when the client goes away, of which `receive` tells behind a request's body.

    Raises:
        ClientDisconnect: the client went away.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
