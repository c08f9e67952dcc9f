"""What can be done about PyTorch for the GPU now, and the thread that does it.

Knows nothing of windows: whoever shows it asks for `now` again and again.
"""

import contextlib
import logging
import sys
import threading
from dataclasses import dataclass
from enum import Enum

from app.gpu_torch import builds, driver, fetch, front, store
from app.gpu_torch.errors import GpuTorchError
from app.models.download import Progress
from app.models.halt import HaltedError
from app.models.transfer import Patience
from s3d_core.errors import S3DError

log = logging.getLogger(__name__)


class Stand(Enum):
    """Where it stands."""

    NOTHING = "nothing"  # no GPU, or a program that chooses its PyTorch otherwise
    OFFERED = "offered"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    READY = "ready"  # at the next start
    IN_USE = "in use"
    SET_ASIDE = "set aside"


@dataclass(frozen=True)
class Now:
    """What to show.

    Attributes:
        sentence: what is the case and what can be done.
        progress: while it runs or is paused.
    """

    stand: Stand
    sentence: str = ""
    progress: Progress | None = None


class Offer:
    """One for the program. `look` and `fetch` work in a thread of their own.

    Args:
        is_bundle: the program is not run from its source, where pip chooses the PyTorch.
    """

    def __init__(self, is_bundle: bool | None = None, patience: Patience | None = None):
        self._is_bundle = bool(getattr(sys, "frozen", False)) if is_bundle is None else is_bundle
        self._patience = patience
        self._lock = threading.Lock()
        self._now = Now(Stand.NOTHING)
        self._fetch: fetch.Fetch | None = None
        self._cancelled = False

    @property
    def now(self) -> Now:
        """How it stands."""
        with self._lock:
            return self._now

    @property
    def is_idle(self) -> bool:
        """Nothing is being fetched."""
        with self._lock:
            return self._fetch is None

    def look(self) -> None:
        """Look at the driver and at what is here."""
        if self._is_bundle and sys.platform != "darwin":
            threading.Thread(target=self._look, name="gpu torch", daemon=True).start()

    def get(self) -> None:
        """Fetch it, or go on with it."""
        with self._lock:
            if self._fetch is not None:
                return
            self._fetch = fetch.Fetch(self._patience)
            self._cancelled = False
            self._now = Now(Stand.RUNNING, "Getting PyTorch for the GPU.", Progress("Asking the driver"))
            threading.Thread(target=self._run, args=(self._fetch,), name="gpu torch", daemon=True).start()

    def pause(self) -> None:
        """Halt it; what came is kept, and a later run of the program can go on with it."""
        if self._fetch is not None:
            self._fetch.halt.set()

    def cancel(self) -> None:
        """Halt it and delete what came."""
        running = self._fetch
        self._cancelled = True
        if running is not None:
            running.halt.set()
        else:
            threading.Thread(target=self._discard, name="gpu torch", daemon=True).start()

    def remove(self) -> None:
        """Go back to the program's own PyTorch, from the next start on."""

        def work() -> None:
            store.remove()
            self._look()

        threading.Thread(target=work, name="gpu torch", daemon=True).start()

    # -- inside --------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        try:
            now = _how_it_stands()
        except Exception as error:  # of the disk or of a table that somebody changed
            log.error("cannot tell whether there is PyTorch for the GPU", exc_info=error)
            now = Now(Stand.NOTHING)
        with self._lock:
            if self._fetch is None:
                self._now = now

    def _run(self, running: fetch.Fetch) -> None:
        def report(progress: Progress) -> None:
            with self._lock:
                self._now = Now(Stand.RUNNING, "Getting PyTorch for the GPU.", progress)

        now: Now | None = None
        try:
            running.run(report)
        except HaltedError:
            pass
        except S3DError as error:
            now = Now(Stand.FAILED, str(error))
        except Exception as error:  # a fault of ours must not take the program along
            log.error("unexpected error while PyTorch was fetched", exc_info=error)
            now = Now(Stand.FAILED, f"Something went wrong: {error}")
        with self._lock:
            self._fetch = None
            self._now = now or self._now
        if self._cancelled:
            self._discard()
        elif now is None:
            self._look()

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            fetch.discard()
        self._look()


def _how_it_stands() -> Now:
    if front.used is not None and store.read() is not None:
        return Now(Stand.IN_USE, f"Models run on the {front.used.gpu}, with PyTorch {front.used.torch}.")
    state = store.read()
    if state is not None and state.set_aside:
        return Now(Stand.SET_ASIDE, state.set_aside)
    if state is not None:
        return Now(
            Stand.READY, f"PyTorch for the {state.gpu} is here and works: start S3D Chat again to run models on it."
        )
    found = driver.look()
    if found is None:
        return Now(Stand.NOTHING)
    if (plan := fetch.unfinished()) is not None:
        progress = Progress("Paused", fetch.here(plan), plan.total)
        return Now(Stand.PAUSED, f"PyTorch for the {found.gpu} is here in part.", progress)
    try:
        builds.load().matching(found)
    except GpuTorchError as error:
        return Now(Stand.FAILED, str(error))
    return Now(
        Stand.OFFERED,
        f"This computer has an {found.gpu}, and S3D Chat came with PyTorch for processors alone. PyTorch for this GPU "
        "is fetched from PyTorch's own index and checked by its digests; it takes some gigabytes.",
    )
