"""Chats for as long as it is told to, with sliders moving, models switching and faults injected; then says what leaked.

    python tests/soak.py --minutes 60            # an hour; --display to watch it on a screen

It drives the real window and the real decoder with the default model, in a data folder of its own. Memory, threads and
open files are looked at between two cycles, when the default model has just been loaded anew and the chat is empty. It
fails when memory grew by 5% or more after the warm-up, when a thread or an open file was left, when the window stood
still for more than 200 ms by its own doing, or when a cycle did not end.
"""

import argparse
import contextlib
import faulthandler
import gc
import json
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from soak_clocks import Metronome  # noqa: E402

MOST_GROWTH = 0.05
MOST_FREEZE_MS = 200
PATIENCE = 600.0
PROMPTS = [
    "Why does bread rise?",
    "Write a Python function that merges two sorted lists.",
    "Tell me a story about a lighthouse, with **bold** words and a table.",
    "List ten birds, one a line, and say them twice.",
    "word " * 300 + "How many words were that?",
]


@dataclass
class Look:
    """The process between two cycles: seconds since the start, resident bytes, threads, open files."""

    at: float
    resident: int
    threads: int
    files: int


@dataclass
class Course:
    """What happened.

    Attributes:
        looks: one a cycle.
        worst_ms: the longest time that the window's loop was away.
        own_ms: the same without the time in which a thread of ours waited for a processor, or the machine let another
            process stand still too: the window's own work, and waiting for Python's lock and for the disk.
        freezes: how often it was away for more than `MOST_FREEZE_MS` by its own doing.
        opened: the open files at the last look.
        did: how often each thing was done. said: how often each sentence was shown.
    """

    looks: list[Look] = field(default_factory=list)
    worst_ms: float = 0.0
    own_ms: float = 0.0
    freezes: int = 0
    opened: Counter = field(default_factory=Counter)
    did: Counter = field(default_factory=Counter)
    said: Counter = field(default_factory=Counter)
    tokens: int = 0

    @property
    def warm_up(self) -> int:
        """So many of the first looks do not count: every mishap has been once, or a fifth is over."""
        return max(7, len(self.looks) // 5)

    def verdicts(self) -> list[str]:
        """What is not as it should be; empty when all is well."""
        looks = self.looks[self.warm_up :]
        if len(looks) < 8:
            return [f"only {len(looks)} cycles ended after the warm-up, which tells nothing"]
        quarter = len(looks) // 4
        first, last = looks[:quarter], looks[-quarter:]
        found = []
        if self.growth() >= MOST_GROWTH:
            found.append(f"memory grew by {self.growth():.1%}")
        for name in ("threads", "files"):
            before, after = (statistics.median(getattr(look, name) for look in part) for part in (first, last))
            if after > before:
                found.append(f"{name}: {before:g} at first, {after:g} at last")
        if self.freezes:
            found.append(f"{self.freezes} freezes, up to {self.own_ms:.0f} ms")
        return found

    def growth(self) -> float:
        """Of resident memory, from the first quarter after the warm-up to the last."""
        looks = self.looks[self.warm_up :]
        quarter = max(1, len(looks) // 4)
        before = statistics.median(look.resident for look in looks[:quarter])
        return statistics.median(look.resident for look in looks[-quarter:]) / before - 1


def main() -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write every look into this file")
    stacks = "write what every thread did when the window stood still here; looking at running threads can crash Python"
    parser.add_argument("--stacks", type=Path, help=stacks)
    parser.add_argument("--display", action="store_true", help="show the window")
    options = parser.parse_args()
    if not options.display:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    with tempfile.TemporaryDirectory() as home:
        model = at_home(Path(home))
        with options.stacks.open("w") if options.stacks else contextlib.nullcontext() as file:
            course = Soak(Path(home), model, random.Random(options.seed), file).run(60 * options.minutes)
    looks = course.looks
    print(f"{len(looks)} cycles, {course.tokens:,} tokens; {dict(course.did)}")
    for sentence, times in course.said.most_common():
        print(f"  said {times} times: {sentence}")
    if looks:
        resident = [look.resident / 1e6 for look in looks]
        print(f"memory {resident[0]:.0f} MB at first, {max(resident):.0f} at most, {resident[-1]:.0f} at last")
        print(f"after the warm-up {course.growth():+.2%}; threads {looks[0].threads} to {looks[-1].threads}, ", end="")
        print(f"open files {looks[0].files} to {looks[-1].files}")
    print(f"the window's loop was away for {course.worst_ms:.0f} ms at most, {course.own_ms:.0f} ms of it its own")
    if options.json:
        options.json.write_text(json.dumps([vars(look) for look in looks]), encoding="utf-8")
    for verdict in course.verdicts():
        print(f"NOT WELL: {verdict}")
    return 1 if course.verdicts() else 0


def at_home(home: Path) -> Path:
    """Put the default model, a tiny one and a damaged one into a home of our own; returns the default model's path."""
    from core.files import save_folder

    from app.models import embedded

    there = embedded.ensure().parent
    os.environ["S3D_HOME"] = str(home)
    shutil.copytree(there, home / "models" / there.name)
    save_folder(home / "models" / "Tiny")
    shutil.copytree(home / "models" / "Tiny", home / "models" / "Broken")
    with (home / "models" / "Broken" / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    embedded.ensure()
    return embedded.path()


def open_files() -> Counter:
    """What the process's open files are called."""
    names: Counter = Counter()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names[str(file.readlink()).rstrip("0123456789[]")] += 1
    return names


class Soak:
    """Drives one window through cycles of chatting and mishaps."""

    def __init__(self, home: Path, model: Path, dice: random.Random, stacks: TextIO | None = None):
        self.home, self.model, self.dice, self.stacks = home, model, dice, stacks
        self.course = Course()
        self._now = (0.0, 0.0, {})
        self._due: list[Callable[[], None]] = []

    def run(self, seconds: float) -> Course:
        """Cycle until the time is over."""
        from PySide6.QtCore import QSettings, Qt, QTimer
        from PySide6.QtWidgets import QApplication

        from app.bootstrap import SWITCH_INTERVAL
        from app.diagnostics import hooks, log
        from app.engine.link import EngineLink
        from app.ui.window import Window

        sys.setswitchinterval(SWITCH_INTERVAL)
        log.start_log()
        self.application = QApplication([])
        self.application.setStyle("Fusion")
        settings = QSettings(str(self.home / "window.ini"), QSettings.Format.IniFormat)
        self.window = window = Window(self.application, EngineLink(), settings)
        hooks.catch_errors(window.unforeseen.emit, window.close)
        window.resize(1300, 850)
        window.show()
        self.link = window.link
        self.link.rounds_done.connect(self._count)
        self.link.failed.connect(lambda kind, sentence: self.course.said.update([sentence]))
        self.link.start()
        begun = time.monotonic()
        self.wait(lambda: self.link.phase == "ready", "the model")
        # From here on: torch's import, once in a life, is measured elsewhere.
        meter = QTimer(window, interval=5)
        meter.setTimerType(Qt.TimerType.PreciseTimer)
        meter.timeout.connect(self._tick)
        self._metronome = Metronome(self.home)
        self._rest()
        meter.start()
        while time.monotonic() - begun < seconds:
            self.cycle()
            self.look(time.monotonic() - begun)
        meter.stop()
        faulthandler.cancel_dump_traceback_later()
        self._metronome.stop()
        window.close()
        self.wait(lambda: self.link.is_closed, "the end")
        return self.course

    def cycle(self) -> None:
        """Some chat turns, and one mishap or none; then the default model, loaded anew, with an empty chat."""
        for _ in range(self.dice.randint(1, 3)):
            self.chat()
        if not self._due:  # each in its turn, so that the first round of them is all of the warm-up
            mishaps = [self.full_disk, self.short_memory, self.accident, self.broken_model, self.tiny_model]
            self._due = [*mishaps, self.unload, self.chat]
            self.dice.shuffle(self._due)
        mishap = self._due.pop()
        self.course.did[mishap.__name__] += 1
        mishap()
        self.window.new_chat()
        with self.heard(self.link.loaded):
            self.link.load(self.model)
        self.wait(lambda: self.link.phase == "ready", "rest")

    def chat(self) -> None:
        """One turn: the sliders move, and now and then it is stopped or the panel and the theme change."""
        self.window.chat.composer.sent.emit(self.dice.choice(PROMPTS))
        self.course.did["turn"] += 1
        stop_at = time.monotonic() + self.dice.uniform(0.5, 20)
        while self.link.answering:
            self.pause(self.dice.uniform(0.02, 0.4))
            self.move_a_slider()
            if time.monotonic() > stop_at:
                self.window.stop()
                self.course.did["stop"] += 1
                stop_at += PATIENCE
            if time.monotonic() > stop_at:
                raise SystemExit("an answer could not be stopped")
        self.wait(lambda: self.link.phase == "ready", "the end of an answer")

    def move_a_slider(self) -> None:
        panel = self.window.panel
        part = self.dice.choice([panel.skipped, panel.draft_length, panel.tree_size, panel.exactness])
        slider = part.slider
        slider.setValue(self.dice.randint(slider.minimum(), slider.maximum()))
        if self.dice.random() < 0.05:
            panel.drafting.click()
        if self.dice.random() < 0.05:
            panel.colouring.click()

    def full_disk(self) -> None:
        """Nothing can be written for a while."""
        held = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, held[1]))
        try:
            self.chat()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, held)

    def short_memory(self) -> None:
        """Memory ends in the middle of an answer."""
        with self.fault("verify", MemoryError()):
            self.chat()

    def accident(self) -> None:
        """Something that nobody foresaw."""
        with self.fault("accept", RuntimeError("the accident of the soak")):
            self.chat()

    def broken_model(self) -> None:
        """A damaged model is chosen; the good one comes back."""
        self.link.load(self.home / "models" / "Broken")
        self.wait(lambda: self.link.phase != "ready", "the start of a load")
        self.wait(lambda: self.link.phase == "ready", "the model from before")

    def tiny_model(self) -> None:
        """Another model and back."""
        for path in (self.home / "models" / "Tiny", self.model):
            with self.heard(self.link.loaded):
                self.link.load(path)
            self.wait(lambda: self.link.phase == "ready", "another model")
            self.chat()

    def unload(self) -> None:
        """The model is given up and fetched again."""
        self.link.unload()
        self.wait(lambda: self.link.phase == "empty", "the memory")
        self.link.open_first()
        self.wait(lambda: self.link.phase == "ready", "the model")

    @contextlib.contextmanager
    def fault(self, name: str, error: BaseException) -> Iterator[None]:
        """Inside, a step of some round raises."""
        from s3d_core import decode

        real, left = getattr(decode, name), [self.dice.randint(1, 30)]

        def faulty(*given, **named):
            left[0] -= 1
            if left[0] == 0:
                raise error.with_traceback(None)
            return real(*given, **named)

        setattr(decode, name, faulty)
        try:
            yield
        finally:
            setattr(decode, name, real)

    @contextlib.contextmanager
    def heard(self, signal) -> Iterator[None]:
        """Waits at the end until a signal has come."""
        came: list[object] = []
        connection = signal.connect(lambda *given: came.append(1))
        yield
        self.wait(lambda: bool(came), "a signal")
        signal.disconnect(connection)

    def look(self, at: float) -> None:
        """Note memory, threads and open files."""
        import psutil

        self.pause(0.3)
        gc.collect()
        self._rest()  # this collection is ours, not the window's
        process = psutil.Process()
        files = open_files()
        look = Look(at, process.memory_info().rss, process.num_threads(), files.total())
        self.course.looks.append(look)
        if self.course.opened:
            for name, times in (files - self.course.opened).items():
                print(f"        newly open: {times} of {name}")
        self.course.opened = files
        print(f"{at:6.0f} s  {look.resident / 1e6:6.0f} MB  {look.threads} threads  {look.files} files", flush=True)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Let the window live until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"waited {PATIENCE:.0f} s in vain for {what}; the phase is {self.link.phase}")
            self.pause(0.02)

    def pause(self, seconds: float) -> None:
        """Let the window live for a while."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(int(1000 * seconds), loop.quit)
        loop.exec()

    def _count(self, rounds: list) -> None:
        self.course.tokens += sum(len(done.ids) for done in rounds)

    def _rest(self) -> None:
        """The window's loop is here now."""
        self._now = (time.perf_counter(), *self._metronome.read())
        if self.stacks is not None:
            # Without Python's lock, which the culprit may hold.
            faulthandler.dump_traceback_later(MOST_FREEZE_MS / 2000, file=self.stacks)

    def _tick(self) -> None:
        last, late, before = self._now
        self._rest()
        away, others_late, now = self._now[0] - last, self._now[1] - late, self._now[2]
        took = {
            thread: [new - old for new, old in zip(times, before.get(thread, (0.0, 0.0)), strict=True)]
            for thread, times in now.items()
        }
        ran, waited = took.pop(os.getpid(), (0.0, 0.0))
        # Neither running nor ready to run, it waits for Python's lock, which another thread may have while that waits
        # for a processor.
        rest_waited = sum(times[1] for times in took.values())
        own = min(away, max(ran, min(away - others_late, away - waited - rest_waited)))
        parts = {"ran": ran, "waited": waited, "other threads waited": rest_waited, "all were late": others_late}
        told = f"away {1000 * away:.0f} ms, own {1000 * own:.0f}: "
        told += ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in parts.items())
        if self.stacks is not None and 2000 * away > MOST_FREEZE_MS:
            print(told, file=self.stacks, flush=True)
        if 1000 * own > MOST_FREEZE_MS:
            print(f"        {told}", flush=True)
        self.course.worst_ms = max(self.course.worst_ms, 1000 * away)
        self.course.own_ms = max(self.course.own_ms, 1000 * own)
        self.course.freezes += 1000 * own > MOST_FREEZE_MS


if __name__ == "__main__":
    sys.exit(main())
