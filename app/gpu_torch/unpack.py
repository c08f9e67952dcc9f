"""Unpacking a wheel into a folder, and nowhere else."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from app.gpu_torch.errors import GpuTorchError

_CHUNK = 1 << 20
# Headers, tests and archives for linking: a third of the disk, and nothing that a program loads.
_NOT_NEEDED = (("torch", "include"), ("torch", "test"), ("torch", "share"))
_NOT_NEEDED_KINDS = (".lib", ".a", ".h", ".hpp", ".cuh")


def unpack(wheel: Path, folder: Path, came: Callable[[int], None]) -> None:
    """Unpack what is needed of a wheel.

    Args:
        came: called with the number of bytes written, again and again; what it raises ends the work.

    Raises:
        GpuTorchError: the file is damaged, or holds names that lead out of the folder. OSError: of the disk.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            # Every name is looked at before anything is written.
            places = [(entry, place(entry, wheel.name)) for entry in archive.infolist()]
            for entry, inside in places:
                if inside is not None:
                    _write(archive, entry, folder.joinpath(*inside), came)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise GpuTorchError(f"{wheel.name} is damaged; get it anew.") from error


def place(entry: zipfile.ZipInfo, wheel: str) -> tuple[str, ...] | None:
    """Where in the folder an entry belongs; None for what is not needed.

    Raises:
        GpuTorchError: its name leads elsewhere, or it is no plain file.
    """
    if entry.is_dir():
        return None
    name = entry.filename
    parts = PurePosixPath(name).parts
    bad = name.startswith("/") or "\\" in name or ":" in name or "\0" in name or ".." in parts or not parts
    if bad or stat.S_ISLNK(entry.external_attr >> 16):
        raise GpuTorchError(f"{wheel} holds {name!r}, which is no file of a package, so none of it was unpacked.")
    if parts[0].endswith(".data"):
        # Packages may lie one floor lower; programs and other things beside them are not for us.
        if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
            return None
        parts = parts[2:]
    if parts[:2] in _NOT_NEEDED or parts[-1].endswith(_NOT_NEEDED_KINDS):
        return None
    return parts


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, came: Callable[[int], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as source, path.open("wb") as target:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise GpuTorchError(f"{path.name} is longer than its package says; get it anew.")
            target.write(chunk)
            came(len(chunk))
    if (entry.external_attr >> 16) & stat.S_IXUSR:
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
