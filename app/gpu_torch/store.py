"""What is kept of PyTorch for the GPU in the user's data folder.

gpu-torch/coming/          what is on its way: the plan, wheels, and `tree`, what was unpacked so far
          2.13.0+cu126/    what is whole: the folders of the wheels
          state.json       which of them is in use, what was tried, why it was set aside
          begun-1234       process 1234 began to load it, and did not yet say that it worked
"""

import contextlib
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from app.gpu_torch import driver
from app.models.places import data_dir

_BEGUN = "begun-"


@dataclass(frozen=True)
class State:
    """A PyTorch that is here.

    Attributes:
        torch: its version with its build, such as "2.13.0+cu126"; the folder's name too.
        python: the Python it is for, such as "cpython-311".
        gpu: the GPU that it was tried on.
        libraries: sizes of its native libraries, by path in the folder.
        proved: `driver.mark()` of the driver that it worked with.
        set_aside: the sentence that says why it is not used; "" where it is.
        broken: how many processes in a row ended while they loaded it.
    """

    torch: str
    python: str
    gpu: str
    libraries: dict[str, int]
    proved: str
    set_aside: str = ""
    broken: int = 0

    @property
    def folder(self) -> Path:
        """What goes in front of the path on which Python looks for packages."""
        return home() / self.torch


def home() -> Path:
    """The folder of all this."""
    return data_dir() / "gpu-torch"


def coming() -> Path:
    """The folder of what is on its way."""
    return home() / "coming"


def python() -> str:
    """The running Python, as far as native modules care."""
    return sys.implementation.cache_tag or ""


def read() -> State | None:
    """What is here; None where nothing is, or nothing that can be understood."""
    try:
        state = State(**json.loads((home() / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    texts = (state.torch, state.python, state.gpu, state.proved, state.set_aside)
    right = all(isinstance(text, str) for text in texts) and isinstance(state.libraries, dict)
    right = right and isinstance(state.broken, int)
    return state if right and Path(state.torch).name == state.torch else None


def write(state: State) -> None:
    """Keep this, whole or not at all."""
    home().mkdir(parents=True, exist_ok=True)
    partial = home() / "state.json.partial"
    partial.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    partial.replace(home() / "state.json")


def set_aside(state: State, sentence: str) -> None:
    """Do not use it any more, and remember why. On a disk that takes nothing it is tried again at the next start."""
    with contextlib.suppress(OSError):
        write(replace(state, set_aside=sentence))


def proved(state: State, broken: int = 0) -> State:
    """It works with the driver as it is now."""
    state = replace(state, proved=driver.mark(), set_aside="", broken=broken)
    write(state)
    return state


def remove() -> None:
    """Delete everything. Windows keeps what a running program has loaded, which is then no longer used."""
    with contextlib.suppress(OSError):
        (home() / "state.json").unlink(missing_ok=True)
    shutil.rmtree(home(), ignore_errors=True)


def native(folder: Path) -> dict[str, int]:
    """The sizes of the native libraries below a folder, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix in (".so", ".dll", ".pyd") or ".so." in path.name):
            found[path.relative_to(folder).as_posix()] = path.stat().st_size
    return found


def wrong_with(state: State, torch: str) -> str:
    """Why it cannot be used by this program as it is, or "".

    Args:
        torch: the version of the program's own PyTorch.
    """
    if state.torch.partition("+")[0] != torch.partition("+")[0] or state.python != python():
        return "This version of S3D Chat needs another PyTorch for the GPU: get it anew in Models."
    for name, size in state.libraries.items():
        try:
            right = (state.folder / name).stat().st_size == size
        except OSError:
            right = False
        if not right:
            return "PyTorch for the GPU is damaged, so models run on the processor: get it anew in Models."
    return ""


# -- what was begun and did not end ----------------------------------------------------------------------------------


def begin() -> None:
    """This process begins to load it."""
    with contextlib.suppress(OSError):
        (home() / f"{_BEGUN}{os.getpid()}").touch()


def forget_begun() -> None:
    """This process has come to an end with it, good or bad."""
    with contextlib.suppress(OSError):
        (home() / f"{_BEGUN}{os.getpid()}").unlink(missing_ok=True)


def worked(state: State) -> None:
    """This process has loaded and used it."""
    forget_begun()
    if state.broken:
        with contextlib.suppress(OSError):
            write(replace(state, broken=0))


def broke_off() -> bool:
    """Whether a process that is gone began to load it and never said that it worked; that is then forgotten."""
    found = False
    for path in home().glob(f"{_BEGUN}*"):
        number = path.name.removeprefix(_BEGUN)
        if number.isdigit() and psutil.pid_exists(int(number)) and int(number) != os.getpid():
            continue
        path.unlink(missing_ok=True)
        found = True
    return found
