"""What the terminal commands share in talking to a person: a progress line on stderr, and Ctrl-C."""

import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ProgressLine:
    """Shows (phase, 0..1) on one line of stderr that is wiped at the end; call it as the progress function.

    On something that is not a terminal it says nothing, or each phase once with `always`.
    """

    def __init__(self, always: bool = False):
        self._live = sys.stderr.isatty()
        self._always = always
        self._phase = ""
        self._shown = ""

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *error) -> None:
        self.clear()

    def __call__(self, phase: str, share: float) -> None:
        if self._live:
            text = f"{phase} … {share:4.0%}"[: shutil.get_terminal_size().columns - 1]
            if text != self._shown:
                sys.stderr.write(f"\r{text:<{len(self._shown)}}")
                sys.stderr.flush()
                self._shown = text
        elif self._always and phase != self._phase:
            print(f"{phase} …", file=sys.stderr, flush=True)
        self._phase = phase

    @property
    def is_live(self) -> bool:
        """Whether the line is rewritten in place, so that changing figures can be shown."""
        return self._live

    def clear(self) -> None:
        """Wipe the line."""
        if self._shown:
            sys.stderr.write("\r" + " " * len(self._shown) + "\r")
            sys.stderr.flush()
            self._shown = ""


@contextmanager
def stop_on_interrupt(say: str = "") -> Iterator[threading.Event]:
    """While it lasts, the first Ctrl-C only sets the event it gives; a second one is a `KeyboardInterrupt`.

    Args:
        say: written to stderr at the first one, where stopping takes a while.
    """
    stopped = threading.Event()

    def stop(number, frame):
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()
        if say:
            sys.stderr.write(f"\n{say}\n")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
