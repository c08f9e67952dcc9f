"""Ending a download from another thread, at once, even while it waits for the network."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class HaltedError(Exception):
    """Raised in the thread that was told to halt."""


class Halt:
    """One side calls `set`; the other waits, reads and checks through this."""

    def __init__(self):
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def set(self) -> None:
        """Halt now."""
        with self._lock:
            self._event.set()
            if self._socket is not None:
                # Closing alone would not wake a thread that waits for bytes. The plain socket's own method, since a
                # TLS socket's would hand out what had arrived undeciphered.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @property
    def is_set(self) -> bool:
        """Whether `set` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raises:
        HaltedError: `set` was called.
        """
        if self._event.is_set():
            raise HaltedError

    def wait(self, seconds: float) -> None:
        """Sleep.

        Raises:
            HaltedError: `set` was called, before or meanwhile.
        """
        if self._event.wait(seconds):
            raise HaltedError

    @contextlib.contextmanager
    def guarding(self, response) -> Iterator[None]:
        """While it lasts, `set` also breaks the connection that a streamed response is read from."""
        stream = response.extensions.get("network_stream")
        with self._lock:
            self._socket = stream.get_extra_info("socket") if stream is not None else None
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._socket = None
