"""Putting PyTorch for the GPU in front of the program's own, first thing in a process of the bundle.

Nothing here can keep the program from starting: what is not known to work is tried in another process before, and what
fails is set aside with a sentence.
"""

import importlib.metadata
import logging
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from app.gpu_torch import driver, store, trial
from app.gpu_torch.errors import GpuTorchError

log = logging.getLogger(__name__)

BROKE_OFF = (
    "PyTorch for the GPU ended the program while it was loaded the last time, so models run on the processor: "
    "try it again, or remove it, in Models."
)

CANNOT_LOAD = "PyTorch for the GPU cannot be loaded"
AGAIN = "start S3D Chat again, and models run on the processor."

# What happened in this process: the sentence for the user, and the PyTorch that was put in front.
said = ""
used: store.State | None = None


def put_in_front() -> None:
    """Use PyTorch for the GPU where it is here and works. Call it before anything imports torch."""
    global said, used
    try:
        state = store.read()
        if state is None or state.set_aside:
            return
        said = _why_not(state)
        if said:
            store.set_aside(state, said)
            return
        sys.path.insert(0, str(state.folder))
        sys.meta_path.insert(0, _Witness(state))
        used = state
    except Exception as error:
        # The program's own PyTorch is always there.
        log.error("PyTorch for the GPU is not used", exc_info=error)


def _why_not(state: store.State) -> str:
    if wrong := store.wrong_with(state, importlib.metadata.version("torch")):
        return wrong
    broke_off = store.broke_off()
    if state.proved == driver.mark() and not broke_off:
        return ""
    if broke_off and state.broken:
        return BROKE_OFF
    try:
        trial.run(state.folder)
    except GpuTorchError as error:
        return str(error)
    # It works by itself, and yet a process ended over it: once may have been the user's own doing.
    store.proved(state, broken=int(broke_off))
    return ""


def worked() -> None:
    """Torch was loaded and used, so nothing has to be tried at the next start. Does nothing where it was not."""
    if used is not None and "torch" in sys.modules:
        store.worked(used)


class _Witness:
    """Sees torch being imported: leaves a note of it that `worked` takes away, and sets aside what cannot be loaded."""

    def __init__(self, state: store.State):
        self._state = state

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "torch" else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            store.begin()
            try:
                load(module)
            except Exception as error:
                store.set_aside(self._state, f"{CANNOT_LOAD} ({error}).")
                store.forget_begun()
                raise GpuTorchError(f"{CANNOT_LOAD} ({error}): {AGAIN}") from error

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
