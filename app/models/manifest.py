"""The list of files that a fetched model must consist of, kept beside them as `s3d-model.json`.

A whole SHA-256 takes a moment for a small model and minutes for a large one, so the manifest
remembers each file's size and time of change as they were when the digest was right. While both
stay as they were, the file counts as checked.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from s3d_core.errors import ModelError
from s3d_core.trust import is_inside, read_json

NAME = "s3d-model.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: path relative to the model's folder.
        bytes: size.
        sha256: digest, in hexadecimal.
        changed_ns: time of change, in nanoseconds, when the digest was last right.
    """

    name: str
    bytes: int
    sha256: str
    changed_ns: int


@dataclass(frozen=True)
class Manifest:
    """A model's name, where it came from, its licence, and its files."""

    name: str
    source: str
    licence: str
    files: tuple[ModelFile, ...]

    def write(self, folder: Path) -> None:
        """Write it into `folder`, whole or not at all."""
        partial = folder / (NAME + ".partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / NAME)


def read(folder: Path) -> Manifest | None:
    """The manifest in `folder`; None without one.

    Raises:
        ModelError: there is one that cannot be understood.
    """
    path = folder / NAME
    try:
        fields = read_json(path)
        files = tuple(ModelFile(**file) for file in fields.pop("files"))
        if not all(is_inside(file.name) for file in files):
            raise ValueError("a file outside the folder")
        return Manifest(**fields, files=files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path} is damaged, so its model cannot be checked; fetch it again.") from error


def is_untouched(folder: Path, manifest: Manifest) -> bool:
    """Whether every file has the size and time of change of its last check. Reads no file."""
    try:
        return all(is_as_checked(folder / file.name, file) for file in manifest.files)
    except OSError:
        return False


def is_as_checked(path: Path, file: ModelFile) -> bool:
    """Whether a file has the size and time of change of its last check.

    Raises:
        OSError: it is not there.
    """
    status = path.stat()
    return status.st_size == file.bytes and status.st_mtime_ns == file.changed_ns


def distrust(folder: Path, manifest: Manifest, file: ModelFile) -> None:
    """Note that a file is not what it should be although it looks untouched, so that it is read before it is used."""
    files = tuple(replace(each, changed_ns=0) if each == file else each for each in manifest.files)
    replace(manifest, files=files).write(folder)


def check(folder: Path, manifest: Manifest) -> None:
    """Check the files that changed since they were last checked, and remember those that are right.

    Raises:
        ModelError: a file is missing or is not what it should be.
    """
    checked = []
    for file in manifest.files:
        path = folder / file.name
        if not path.is_file():
            raise ModelError(f"{path} is missing, so the model is not whole; fetch the model again.")
        if not is_as_checked(path, file):
            if path.stat().st_size != file.bytes or sha256(path) != file.sha256:
                raise ModelError(f"{path} is damaged: its content is not what was published; fetch the model again.")
            file = ModelFile(file.name, file.bytes, file.sha256, path.stat().st_mtime_ns)
        checked.append(file)
    if tuple(checked) != manifest.files:
        Manifest(manifest.name, manifest.source, manifest.licence, tuple(checked)).write(folder)


def sha256(path: Path, progress: Callable[[float], None] | None = None) -> str:
    """A file's digest in hexadecimal; `progress` is called with the share read, 0..1."""
    digest, done, total = hashlib.sha256(), 0, max(1, path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done / total)
    return digest.hexdigest()
