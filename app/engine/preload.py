"""Bringing torch and a model into the process without stopping the window.

`import torch` holds Python's lock while the system loads and relocates some hundred megabytes of library, and the
window stands still for that time. Calling the system's own `dlopen` through ctypes does the same work with the lock
released; the import then finds the libraries in place.

The garbage collector stops everything too: with torch and transformers in memory a full collection takes some hundred
milliseconds. So there is none while they come in, and from then on it leaves them out: what it looks through is the
window and the model, in some milliseconds.
"""

import contextlib
import ctypes
import functools
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_LIBRARIES = ("libc10", "libtorch_cpu", "libc10_cuda", "libtorch_cuda", "libtorch")
_BROUGHT_IN_BY_MODELS = (
    "transformers.modeling_utils",
    "transformers.tokenization_utils_tokenizers",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
)
_NEVER = 1_000_000_000


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
    """No full garbage collection inside."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


@functools.cache
def import_engine():
    """The class `s3d_core.engine.Engine`; the first call takes seconds, and leaves what there is now to no collection.

    What the first model would bring in by itself comes in here as well, so that it is left out too. The libraries are
    never thrown away, but a model is, and it can only be found to be garbage where the collector looks at it.
    """
    preload_torch()
    from s3d_core.engine import Engine

    for name in _BROUGHT_IN_BY_MODELS:
        with contextlib.suppress(ImportError):  # of another version: then collections take longer
            importlib.import_module(name)
    gc.freeze()
    return Engine
