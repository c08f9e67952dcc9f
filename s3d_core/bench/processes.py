"""Whole processes measured from outside: when they first said something, how long they ran, what memory they took."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3d_core.bench.memory import marks
from s3d_core.bench.run import quartiles, spread

_LOOK_EVERY = 0.01
_STOP_AFTER = 5.0


@dataclass(frozen=True)
class Run:
    """One process's life.

    Attributes:
        code: its exit code.
        first_s: from its start to the first byte on stdout; None where there was none.
        whole_s: to its end.
        peak_bytes: the most memory it held (the system's own mark, which no short peak escapes).
        own_bytes: the most it held for itself, pages of files left out, once it had said something. None where the
            system does not tell, as `peak_bytes`.
        out, err: what it wrote.
    """

    code: int
    first_s: float | None
    whole_s: float
    peak_bytes: int | None
    own_bytes: int | None
    out: str
    err: str


def run(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Run | None:
    """Run a command to its end; None where `stopped` said so meanwhile, and the process was ended.

    Raises:
        OSError: it cannot be started.
    """
    began = time.perf_counter()
    # In a session of its own, as Ctrl-C is for who measures.
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: dict[str, bytes] = {"out": b"", "err": b""}
    first: list[float] = []
    out, err = process.stdout, process.stderr

    def listen() -> None:
        said["out"] = out.read(1)
        if said["out"]:
            first.append(time.perf_counter() - began)
        said["out"] += out.read()

    def listen_to_errors() -> None:
        said["err"] = err.read()

    readers = [threading.Thread(target=target, daemon=True) for target in (listen, listen_to_errors)]
    for reader in readers:
        reader.start()
    status = Path(f"/proc/{process.pid}/status")
    peak, own = 0, 0
    try:
        while process.poll() is None:
            try:
                found = marks(status)
            except OSError:
                found = {}
            peak = max(peak, found.get("VmHWM", 0))
            if first:
                own = max(own, found.get("RssAnon", 0))
            if stopped():
                return None
            time.sleep(_LOOK_EVERY)
        whole = time.perf_counter() - began
    finally:
        _end(process)
        for reader in readers:
            reader.join()
        out.close()
        err.close()
    texts = {name: text.decode("utf-8", "replace") for name, text in said.items()}
    return Run(process.returncode, first[0] if first else None, whole, peak or None, own or None, **texts)


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_AFTER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def record(what: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Medians and quartiles of the starts of one command, as plain JSON types."""

    def of(values: list[float | int | None]) -> dict:
        return quartiles(spread([value for value in values if value is not None]))

    return {
        "what": what,
        "starts": len(runs),
        "first_token_s": of([r.first_s for r in runs]),
        "whole_s": of([r.whole_s for r in runs]),
        "peak_bytes": of([r.peak_bytes for r in runs]),
        "own_bytes": of([r.own_bytes for r in runs]),
    }
