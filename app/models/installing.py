"""The last step of every way into the models folder: what is complete and checked appears there by one rename."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from app.models import manifest, wholeness
from app.models.journal import Journal
from app.models.manifest import Manifest, ModelFile
from app.models.places import models_dir
from app.models.remains import delete, working_name
from app.models.wanted import Wanted
from s3d_core.errors import ModelError

_CHUNK = 1 << 20


def source_of(wanted: Wanted, commit: str = "") -> str:
    """How the manifest names where a model came from."""
    return f"hub {wanted.repo}@{commit}" + (f"/{wanted.file}" if wanted.file else "")


def installed_copy(wanted: Wanted) -> Path | None:
    """The folder of what is wanted, where it is installed and untouched."""
    for folder in (models_dir() / wanted.name, models_dir() / _long_name(wanted)):
        with contextlib.suppress(ModelError):
            known = manifest.read(folder)
            if known is not None and _is_from(known.source, wanted) and manifest.is_untouched(folder, known):
                return folder
    return None


def install(journal: Journal) -> Path:
    """Move a complete download into the models folder; returns the model's folder.

    Raises:
        ModelError: the files do not make a model that can be run. OSError: of the disk.
    """
    assert journal.listing is not None
    files, wanted = journal.files, journal.wanted
    for path in files.iterdir():
        if path.suffix == ".part":
            path.unlink()
    _check(files)
    checked = tuple(journal.verified[file.path] for file in journal.listing.files)
    name = _free_name(wanted)
    Manifest(name, source_of(wanted, journal.listing.commit), journal.listing.licence, checked).write(files)
    folder = models_dir() / name
    put(files, folder)
    shutil.rmtree(journal.folder, ignore_errors=True)
    return folder


def put(ready: Path, folder: Path) -> None:
    """Rename `ready` to `folder`, in the place of what is there; whenever it is interrupted, a whole model is left.

    Raises:
        OSError: of the disk.
    """
    sync_folder(ready)
    old = working_name("old", folder.name)
    if folder.exists():
        folder.replace(old)
    ready.replace(folder)
    sync_folder(folder.parent)
    delete(old)


def copy(source: Path, target: Path, copied: Callable[[int], None]) -> None:
    """Copy a file's content; `copied` is called with the bytes of each step, and may end it by raising.

    Raises:
        OSError: of the disk.
    """
    with source.open("rb") as reading, target.open("wb") as writing:
        while chunk := reading.read(_CHUNK):
            writing.write(chunk)
            copied(len(chunk))
        writing.flush()
        os.fsync(writing.fileno())


def sync_folder(folder: Path) -> None:
    """Have the disk keep a folder's names, where the system can be told so."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checked_file(path: Path, progress: Callable[[float], None] | None = None) -> ModelFile:
    """A file's entry in a manifest, with its digest taken now."""
    digest = manifest.sha256(path, progress)
    status = path.stat()
    return ModelFile(path.name, status.st_size, digest, status.st_mtime_ns)


def _check(folder: Path) -> None:
    ggufs = list(folder.glob("*.gguf"))
    if ggufs:
        wholeness.check_file(ggufs[0])
    else:
        wholeness.check_folder(folder)


def _is_from(source: str, wanted: Wanted) -> bool:
    repo, _, rest = source.removeprefix("hub ").partition("@")
    return source.startswith("hub ") and repo == wanted.repo and (rest.partition("/")[2] or None) == wanted.file


def _free_name(wanted: Wanted) -> str:
    """The model's name; longer where another model bears it."""
    folder = models_dir() / wanted.name
    if not folder.exists():
        return wanted.name
    with contextlib.suppress(ModelError):
        known = manifest.read(folder)
        if known is not None and _is_from(known.source, wanted):
            return wanted.name
    return _long_name(wanted)


def _long_name(wanted: Wanted) -> str:
    return f"{wanted.name}-{wanted.repo.partition('/')[0]}"
