"""Bringing torch and a model into the process without stopping the window.

`import torch` holds Python's lock while the system loads and relocates some hundred megabytes of library, and the
window stands still for that time. Calling the system's own `dlopen` through ctypes does the same work with the lock
released; the import then finds the libraries in place.

The garbage collector stops everything too: with torch, transformers and a model in memory a full collection takes
some hundred milliseconds. So it rests while they come in, and then leaves them out of its rounds until the model goes.
"""

import contextlib
import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_LIBRARIES = ("libc10", "libtorch_cpu", "libc10_cuda", "libtorch_cuda", "libtorch")


def preload_torch() -> None:
    """Load torch's large libraries now. Does nothing where it cannot; `import torch` then does all the work."""
    spec = importlib.util.find_spec("torch")
    if sys.platform == "win32" or "torch" in sys.modules or spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "lib"
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    with contextlib.suppress(OSError, AttributeError):
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.restype, dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
        for name in _LIBRARIES:
            library = folder / (name + suffix)
            if library.exists():
                dlopen(os.fsencode(library), os.RTLD_NOW | os.RTLD_LOCAL)


@contextlib.contextmanager
def settling() -> Iterator[None]:
    """No garbage collection inside, and what is there at the end is left out of later ones until `unsettle`."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


def unsettle() -> None:
    """Let the collector see everything again: a model is about to be given up, and parts of it point at each other."""
    gc.unfreeze()


def import_engine():
    """The class `s3d_core.engine.Engine`; the first call takes seconds."""
    preload_torch()
    from s3d_core.engine import Engine

    return Engine
