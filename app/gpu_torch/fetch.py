"""The way of PyTorch for the GPU: choose, pin, fetch, check, unpack, try, put into place.

What was pinned and what has come is kept on the disk, so that any later run goes on from there. A wheel counts when its
SHA-256 is the one that was pinned; it is unpacked then, and deleted.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from app.gpu_torch import builds, driver, store, trial
from app.gpu_torch import index as simple
from app.gpu_torch.errors import GpuTorchError
from app.gpu_torch.index import Wheel
from app.gpu_torch.resolve import resolve
from app.gpu_torch.unpack import unpack
from app.models.download import RESERVE_BYTES, Progress
from app.models.halt import Halt
from app.models.hub import RemoteFile
from app.models.hub_errors import TransientError
from app.models.partial import PartialFile, WrongContentError
from app.models.rate import Rate
from app.models.transfer import Patience, persist, pour

# How much larger the wheels are once they are unpacked, at most, as seen of those of PyTorch 2.
_UNPACKED = 2.2
_TELL_SECONDS = 0.1


@dataclass
class Plan:
    """What was pinned.

    Attributes:
        torch: the version with its build.
        wheels: all that is needed.
        done: names of those that are unpacked.
    """

    torch: str
    python: str
    wheels: list[Wheel]
    done: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Bytes to fetch in all."""
        return sum(wheel.bytes for wheel in self.wheels)

    def write(self) -> None:
        """Keep it, whole or not at all."""
        store.coming().mkdir(parents=True, exist_ok=True)
        half = store.coming() / "plan.json.partial"
        half.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        half.replace(store.coming() / "plan.json")


def unfinished() -> Plan | None:
    """What an earlier run began and did not end."""
    try:
        said = json.loads((store.coming() / "plan.json").read_text(encoding="utf-8"))
        plan = Plan(str(said["torch"]), str(said["python"]), [Wheel(**wheel) for wheel in said["wheels"]])
        plan.done = [str(name) for name in said["done"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    safe = all(Path(name).name == name for name in (plan.torch, *(wheel.name for wheel in plan.wheels)))
    return plan if safe and plan.python == store.python() else None


class Fetch:
    """Fetches it, or goes on with it. Use `run` in one thread; `halt.set()` in any other pauses it."""

    def __init__(self, patience: Patience | None = None):
        self.halt = Halt()
        self._patience = patience or Patience()
        self._rate = Rate()
        self._progress = Progress("Asking the driver")
        self._report: Callable[[Progress], None] = lambda progress: None
        self._told = 0.0

    def run(self, report: Callable[[Progress], None]) -> store.State:
        """Bring PyTorch for this driver's GPU into place; it is used from the next start on.

        Raises:
            S3DError: why it ended, and what to do; what came is kept.
            HaltedError: it was halted; what came is kept.
        """
        self._report = report
        store.coming().mkdir(parents=True, exist_ok=True)
        lock = FileLock(store.home() / "coming.lock")
        try:
            with lock.acquire(timeout=0), simple.client() as web:
                return self._run(web)
        except Timeout:
            raise GpuTorchError("Another S3D Chat is fetching PyTorch; wait until that is done.") from None
        except OSError as error:
            raise GpuTorchError(
                f"{store.home()} cannot be written: {error.strerror or error}. What has come is kept: mend that, "
                "then go on."
            ) from error

    def _run(self, web: Any) -> store.State:
        self._tell("Asking the driver")
        found = driver.look()
        if found is None:
            raise GpuTorchError("No NVIDIA driver answers: install NVIDIA's driver for your GPU, then try again.")
        plan = unfinished() or self._pin(web, found)
        self._check_disk(plan)
        done = sum(wheel.bytes for wheel in plan.wheels if wheel.name in plan.done)
        self._tell("Fetching", done=done, total=plan.total)
        tree = store.coming() / "tree"
        for wheel in plan.wheels:
            if wheel.name in plan.done:
                continue
            path = store.coming() / wheel.name
            self._get(web, wheel, path)
            self._tell(f"Unpacking {wheel.name.partition('-')[0]}")
            unpack(path, tree, lambda count: self.halt.check())
            plan.done.append(wheel.name)
            plan.write()
            path.unlink()
        return self._into_place(plan, tree)

    def _pin(self, web: Any, found: driver.Driver) -> Plan:
        """Ask the index which files make the best build that it has, and keep their digests."""
        table = builds.load()
        refused: list[GpuTorchError] = []
        for build in table.matching(found):
            self._tell(f"Asking {simple.host(table.index)}")
            wheels: list[Wheel] = []
            ask = partial(_resolve_into, wheels, web, table, build)
            try:
                self._persist(ask, lambda: 0)
            except GpuTorchError as error:
                refused.append(error)
                continue
            shutil.rmtree(store.coming(), ignore_errors=True)
            plan = Plan(f"{table.torch}+{build.name}", store.python(), wheels)
            plan.write()
            return plan
        raise refused[0]

    def _check_disk(self, plan: Plan) -> None:
        missing = sum(wheel.bytes for wheel in plan.wheels if wheel.name not in plan.done)
        largest = max((wheel.bytes for wheel in plan.wheels), default=0)
        needed = int(missing * _UNPACKED) + largest + RESERVE_BYTES
        free = shutil.disk_usage(store.home()).free
        if needed > free:
            raise GpuTorchError(
                f"PyTorch for the GPU needs {needed / 1e9:.1f} GB on the disk of {store.home()}, where "
                f"{free / 1e9:.1f} GB are free: free some space, or set S3D_HOME to a folder on another disk."
            )

    def _get(self, web: Any, wheel: Wheel, path: Path) -> None:
        """Have the whole wheel with the right digest. Content that is wrong as a whole is fetched once more."""
        if path.is_file():
            return  # it is moved here when its digest was right
        self._tell(f"Fetching {wheel.name.partition('-')[0]}")
        file = RemoteFile(wheel.name, wheel.bytes, wheel.sha256, None)
        begun = self._progress.done
        with PartialFile(path.with_name(wheel.name + ".part"), file, lambda count: self.halt.check()) as part:
            self._tell(done=begun + part.length)
            for last_try in (False, True):
                if part.missing:
                    self._persist(lambda: self._stream(web, wheel, file, part), lambda: part.length)
                try:
                    part.check()
                    break
                except WrongContentError:
                    part.restart()
                    self._tell(done=begun)
                    if last_try:
                        raise
            part.sync()
        path.with_name(wheel.name + ".part").replace(path)

    def _stream(self, web: Any, wheel: Wheel, file: RemoteFile, part: PartialFile) -> None:
        headers = {"Accept-Encoding": "identity"}
        if part.length:
            headers["Range"] = f"bytes={part.length}-"
        host = simple.host(wheel.address)
        with (
            simple.translated(wheel.address),
            web.stream("GET", wheel.address, headers=headers, timeout=self._patience.silence) as response,
            self.halt.guarding(response),
        ):
            response.raise_for_status()
            pour(response, file, part, self._came, host)
        if part.missing:
            raise TransientError(f"The connection to {host} broke.")

    def _into_place(self, plan: Plan, tree: Path) -> store.State:
        """Try what was unpacked, and have the next start use it."""
        self._tell("Trying it on the GPU")
        try:
            gpu = trial.run(tree)
        except GpuTorchError:
            # What does not work is not worth its gigabytes.
            shutil.rmtree(store.coming(), ignore_errors=True)
            raise
        state = store.State(plan.torch, plan.python, gpu, store.native(tree), driver.mark())
        shutil.rmtree(state.folder, ignore_errors=True)
        tree.replace(state.folder)
        store.write(state)
        shutil.rmtree(store.coming(), ignore_errors=True)
        return state

    # -- inside --------------------------------------------------------------------------------------------------

    def _persist(self, act: Callable[[], None], progress: Callable[[], int]) -> None:
        persist(act, progress, self.halt, self._patience, lambda sentence: self._tell(trouble=sentence))

    def _came(self, count: int) -> None:
        self._rate.add(count)
        self._tell(done=self._progress.done + count)

    def _tell(self, phase: str | None = None, **changes) -> None:
        now = time.monotonic()
        self._progress = replace(self._progress, phase=phase or self._progress.phase, **changes)
        if phase is not None or "trouble" in changes or now - self._told >= _TELL_SECONDS:
            self._told = now
            left = self._rate.seconds_for(self._progress.total - self._progress.done)
            self._progress = replace(self._progress, per_second=self._rate.per_second, seconds_left=left)
            self._report(self._progress)


def _resolve_into(wheels: list[Wheel], web: Any, table: builds.Table, build: builds.Build) -> None:
    wheels[:] = resolve(web, table, build)


def here(plan: Plan) -> int:
    """Bytes that need not be fetched any more."""
    count = 0
    for wheel in plan.wheels:
        part = store.coming() / (wheel.name + ".part")
        whole = wheel.name in plan.done or (store.coming() / wheel.name).exists()
        count += wheel.bytes if whole else min(wheel.bytes, part.stat().st_size if part.exists() else 0)
    return count


def discard() -> None:
    """Delete what came. Not while `run` runs."""
    shutil.rmtree(store.coming(), ignore_errors=True)
