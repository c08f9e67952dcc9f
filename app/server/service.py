"""The server as a thing that is started and stopped: its socket, its loop, its end."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Iterator, Sequence

import uvicorn

from app.server import DEFAULT_HOST, DEFAULT_PORT
from app.server.answers import Answers
from app.server.api import USUAL, Access, application
from app.server.backend import Backend
from app.server.errors import ServerError
from s3d_core.settings import SamplingSettings

_MOST_CONNECTIONS = 128
_SECONDS_TO_END = 5


class Service:
    """A place that is taken at once, at which a backend is then served.

    Args:
        host, port: where to listen; port 0 takes any that is free.
        key: what a program must show.
        hosts, origins: see `gate.HostAndOrigin`.
        usual: sampling that a request does not name.

    Attributes:
        address: the base URL for a client, as in "http://127.0.0.1:8733/v1".
        is_local: only this computer can reach it.

    Raises:
        ServerError: the address cannot be taken.
    """

    def __init__(
        self,
        key: str,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        hosts: Sequence[str] = (),
        origins: Sequence[str] = (),
        usual: SamplingSettings = USUAL,
    ):
        self._socket = _listen(host, port)
        bound = self._socket.getsockname()
        self.is_local = ipaddress.ip_address(bound[0]).is_loopback
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        self.address = f"http://{name}:{bound[1]}/v1"
        self._usual = usual
        self._access = Access(key, self.is_local, (host, *hosts), origins)
        self._answers: Answers | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self, backend: Backend) -> None:
        """Serve in a thread of its own. Requests wait at the socket until it is ready."""
        self._thread = threading.Thread(target=self.run, args=(backend,), name="server", daemon=True)
        self._thread.start()

    def run(self, backend: Backend) -> None:
        """Serve in this thread until `stop`."""
        # A loop of the plain kind: beside the window, the usual one would be Qt's, which works in its thread alone.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve(backend))

    def stop(self) -> None:
        """End the present answer within a round, then everything. May be called from any thread, and in a signal."""
        self._stopping.set()
        if self._answers is not None:
            self._answers.stop()
        if self._server is not None:
            self._server.should_exit = True

    def join(self, seconds: float | None = None) -> None:
        """Wait for the end of the thread of `start`."""
        if self._thread is not None:
            self._thread.join(seconds)

    @property
    def is_running(self) -> bool:
        """The thread of `start` is at work."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Give the address back, where nothing was served."""
        self._socket.close()

    async def _serve(self, backend: Backend) -> None:
        self._answers = Answers(backend)
        app = application(self._answers, self._access, self._usual)
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_SECONDS_TO_END,
            )
        )
        self._server.should_exit = self._stopping.is_set()
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()
            await asyncio.to_thread(self._answers.close)


@contextlib.contextmanager
def stop_on_signals(service: Service) -> Iterator[None]:
    """While it lasts, Ctrl-C and SIGTERM stop the service; a second one ends the process as usual."""

    def stop(number, frame) -> None:
        service.stop()
        for each in before:
            signal.signal(each, before[each])

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in before:
            signal.signal(each, before[each])


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process by the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        yield


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a client that comes early waits in place of being refused."""
    if not 0 <= port <= 65535:
        raise ServerError(f"There is no port {port}; choose one from 1 to 65535, or 0 for any.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ServerError(f"There is no address {host!r} here; use 127.0.0.1, or 0.0.0.0 for all.") from error
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where the other option shares a port with strangers
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ServerError(
            f"Port {port} of {host} cannot be used ({error.strerror or error}); choose another port."
        ) from error
    return bound
