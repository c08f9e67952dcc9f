"""An AppImage: one file that starts by a double click wherever it lies, without being installed.

It is a program of the AppImage project, the runtime, with a SquashFS of the program's folder behind it. The runtime
finds the SquashFS where its own ELF file ends, mounts it and starts `AppRun` in it. `appimagetool` puts together no
more than that, but of whatever runtime is the newest; here it is one release, known by its SHA-256.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

RELEASE = "20251108"
SHA256 = {
    "x86_64": "2fca8b443c92510f1483a883f60061ad09b46b978b2631c807cd873a47ec260d",
    "aarch64": "00cbdfcf917cc6c0ff6d3347d59e0ca1f7f45a6df1a428a0d6d8a78664d87444",
}
PLACE = "https://github.com/AppImage/type2-runtime/releases/download/{release}/runtime-{machine}"
# A file of the runtime that was fetched otherwise.
GIVEN = "S3D_APPIMAGE_RUNTIME"
# The usual level, 15, takes seven times as long and makes Qt's libraries a twelfth smaller.
COMPRESSION = ["-comp", "zstd", "-Xcompression-level", "9"]


class NoImageError(Exception):
    """No AppImage can be made; its text says why and what to do."""


def runtime(work: Path, machine: str) -> bytes:
    """The runtime for this kind of processor: the one that is given, the one fetched before, or fetched now.

    Raises:
        NoImageError: there is none, or it is another one than the pinned.
    """
    if machine not in SHA256:
        raise NoImageError(f"the AppImage project has no runtime for {machine}.")
    place = PLACE.format(release=RELEASE, machine=machine)
    file = Path(os.environ.get(GIVEN) or work / f"runtime-{RELEASE}-{machine}")
    try:
        if not file.exists() and not os.environ.get(GIVEN):
            with urllib.request.urlopen(place, timeout=30) as answer:
                _write_whole(file, answer.read())
        content = file.read_bytes()
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror or error
        raise NoImageError(
            f"its runtime could not be read ({why}). Fetch {place} and name the file by {GIVEN}."
        ) from error
    if hashlib.sha256(content).hexdigest() != SHA256[machine]:
        raise NoImageError(f"{file} is not the runtime of release {RELEASE} for {machine}; fetch it anew from {place}.")
    return content


def make(app_dir: Path, image: Path, program: bytes) -> Path:
    """Write the AppImage of a folder with `AppRun`, a desktop file and its icon; returns its path.

    Args:
        program: the runtime that stands before the folder's files.

    Raises:
        NoImageError: it could not be made; no half of it is left.
    """
    tool = shutil.which("mksquashfs")
    if tool is None:
        raise NoImageError("mksquashfs is not installed: apt-get install -y squashfs-tools.")
    partial = image.with_name(image.name + ".part")
    partial.unlink(missing_ok=True)
    # Everything belongs to root, as the builder's name is nobody's business.
    options = ["-all-root", "-noappend", "-no-xattrs", "-no-progress", "-quiet", *COMPRESSION]
    command = [tool, str(app_dir), str(partial), "-offset", str(len(program)), *options]
    try:
        if subprocess.call(command, stdout=sys.stderr) != 0:
            raise NoImageError("mksquashfs failed; its message is above.")
        with partial.open("r+b") as file:
            file.write(program)
        partial.chmod(0o755)
        partial.replace(image)
    finally:
        partial.unlink(missing_ok=True)
    return image


def _write_whole(file: Path, content: bytes) -> None:
    partial = file.with_name(file.name + ".part")
    partial.write_bytes(content)
    partial.replace(file)
