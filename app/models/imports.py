"""Models that the user has already: a folder or a GGUF file, copied into the models folder or used where it lies.

One that is used in place is a small file in the models folder that says where; nothing of ours ever deletes the model.
"""

import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.models import installing, library, wholeness
from app.models.library import LINK, InstalledModel
from app.models.manifest import Manifest
from app.models.places import models_dir
from app.models.remains import clear_remains, working_name
from s3d_core.errors import ModelError
from s3d_core.families import ARCHITECTURES, check_gguf_family
from s3d_core.trust import check_config

Progress = Callable[[str, float], None]

_BESIDE = ("*.safetensors", "*.json", "*.jinja", "*.model", "merges.txt", "LICENSE*", "LICENCE*", "NOTICE*")


def import_in_place(path: Path) -> InstalledModel:
    """Use a model where it lies.

    Raises:
        ModelError: it is no model that can be run, or one of its name is here already.
    """
    found = _check(path)
    name = _free_name(found.name)
    link = models_dir() / (name + LINK)
    with _disk_errors():
        models_dir().mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{link.name}.partial")
        fresh.write_text(json.dumps({"path": str(found.path)}, indent=2) + "\n", encoding="utf-8")
        fresh.replace(link)
    return library.look_at(link)


def import_copy(path: Path, progress: Progress | None = None) -> InstalledModel:
    """Copy a model into the models folder and remember its digests.

    Args:
        progress: called with (phase, 0..1); an exception that it raises ends the copying and leaves nothing behind.

    Raises:
        ModelError: it is no model that can be run, one of its name is here already, or the disk is too full.
    """
    progress = progress or (lambda phase, share: None)
    found = _check(path)
    name = _free_name(found.name)
    files = _files(found.path)
    total, done = sum(file.stat().st_size for file in files), 0

    def copied(count: int) -> None:
        nonlocal done
        done += count
        progress(f"Copying {name}", done / max(1, total))

    with _disk_errors(), _staging() as staging:
        free = shutil.disk_usage(models_dir()).free
        if total > free:
            raise ModelError(
                f"{name} needs {total / 1e9:,.2f} GB on the disk of {models_dir()}, where {free / 1e9:,.2f} GB are "
                "free: free some space, or import it in place."
            )
        for file in files:
            installing.copy(file, staging / file.name, copied)
        checked = []
        for file in files:
            share = partial(progress, f"Checking {file.name}")
            checked.append(installing.checked_file(staging / file.name, share))
        Manifest(name, f"import {found.path}", "", tuple(checked)).write(staging)
        installing.put(staging, models_dir() / name)
    return library.look_at(models_dir() / name)


def _check(path: Path) -> InstalledModel:
    """The model at a path, which is known to be whole and of a family that can be run."""
    path = path.expanduser().absolute()
    if not path.exists():
        raise ModelError(f"There is nothing at {path} to import.")
    if models_dir() in path.parents:
        raise ModelError(f"{path} lies in the models folder already.")
    if path.is_file() and path.name == "config.json":
        path = path.parent
    found = library.look_at(path)
    if found.path.is_file():
        check_gguf_family(wholeness.gguf_architecture(found.path), found.path.name)
        return found
    check_config(found.path, ARCHITECTURES)
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted({file for pattern in _BESIDE for file in path.glob(pattern) if file.is_file()})


def _free_name(name: str) -> str:
    taken = {library.name_of(entry).lower() for entry in library.entries()}
    if name.lower() in taken:
        raise ModelError(f"A model called {name} is here already: remove it first, or rename what you import.")
    return name


@contextmanager
def _staging():
    models_dir().mkdir(parents=True, exist_ok=True)
    clear_remains()
    folder = working_name("import")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk_errors():
    try:
        yield
    except OSError as error:
        raise ModelError(f"The model cannot be stored in {models_dir()}: {error.strerror or error}.") from error
