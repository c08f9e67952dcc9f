"""Sets up a source checkout: `.venv` with the pinned packages, Qt's system libraries, the tests' display.

`start.sh` and `start.bat` run it with any Python that is new enough, before anything is
installed, so it uses the standard library only. It says what it does on stderr, for stdout
belongs to the command that follows.

    python tools/prepare.py --for window|test|command [--check]

With `--check` it only tells, by its exit code, whether there is nothing to do, in a few
hundredths of a second. A set-up that was interrupted, even killed, is gone on with by the next
one: packages that had been unpacked in part are found by their own lists of files.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "s3d-set-up.json"
# The environment is being made; the packages are being installed.
IN_MAKING, UNFINISHED = VENV / "s3d-in-making", VENV / "s3d-unfinished"
LOCK = ROOT / ".set-up.lock"
NEEDED_BYTES = 3 * 10**9

# What each purpose needs, in the order in which it is done.
PARTS = {
    "command": ("packages",),
    "window": ("packages", "qt"),
    "test": ("test packages", "qt", "display"),
}

# The libraries that Qt's own files are linked to and do not bring along, and Debian's packages of them.
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libbrotlidec.so.1": "libbrotli1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libzstd.so.1": "libzstd1",
}
FONT_PACKAGE = "fonts-dejavu-core"
# The programs with which a test drives the window as a user does, on a display without a screen, and makes an AppImage.
DISPLAY_PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool", "mksquashfs": "squashfs-tools"}


class SetUpError(Exception):
    """The set-up cannot go on; the message says what to do."""


def say(text: str) -> None:
    """One line to the user."""
    print(text, file=sys.stderr, flush=True)


def venv_python() -> Path:
    """The environment's interpreter."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint() -> str:
    """Changes whenever the packages must be looked at anew: other pins, or a checkout moved elsewhere."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def parts_done() -> set[str]:
    """The parts that were finished for the checkout as it is now."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        done = set(stamp["parts"]) if stamp["fingerprint"] == fingerprint() else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return done | {"packages"} if "test packages" in done else done


def parts_missing(purpose: str) -> list[str]:
    """The parts still to do, in order."""
    done = parts_done() if venv_python().exists() else set()
    return [part for part in PARTS[purpose] if part not in done]


def mark_done(part: str) -> None:
    """Remember a finished part; the file is swapped whole, so that it is never half written."""
    content = {"fingerprint": fingerprint(), "parts": sorted(parts_done() | {part})}
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(STAMP)


@contextlib.contextmanager
def only_one():
    """Hold the set-up lock. The system lets go of it when this process ends, in whatever way."""
    with LOCK.open("a+b") as file:
        told = False
        while not _lock(file):
            if not told:
                say("Another set-up of this folder is running; waiting for it to finish.")
                told = True
            time.sleep(0.3)
        yield


def _lock(file) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def run_python(*arguments: str) -> int:
    """Run the environment's Python, its output on stderr; the user's PYTHON* variables stay out of it."""
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    return subprocess.call([str(venv_python()), "-I", *arguments], stdout=sys.stderr, env=environment, cwd=ROOT)


def venv_works() -> bool:
    """Whether there is an environment, made to its end, with a Python that is new enough and a pip that starts."""
    if IN_MAKING.exists() or not venv_python().exists():
        return False
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    with contextlib.suppress(OSError):
        command = [str(venv_python()), "-I", "-c", probe]
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    return False


def make_venv() -> None:
    """Make `.venv`, in place of one that does not work."""
    if VENV.exists():
        done = "was not made to its end" if IN_MAKING.exists() else "does not work"
        say(f"The environment in .venv {done}; making it anew.")
        shutil.rmtree(VENV)
    if shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        raise SetUpError(f"There is less than {NEEDED_BYTES / 1e9:.0f} GB free on the disk of {ROOT}: free some space.")
    say("Making the environment in .venv.")
    VENV.mkdir()
    IN_MAKING.touch()
    if subprocess.call([sys.executable, "-I", "-m", "venv", str(VENV)], stdout=sys.stderr) != 0:
        raise SetUpError("Python's venv module could not make the folder .venv; its message is above.")
    IN_MAKING.unlink()


def site_packages() -> Path:
    """Where the environment's packages lie."""
    if os.name == "nt":
        return VENV / "Lib" / "site-packages"
    return next(iter(sorted((VENV / "lib").glob("python3*/site-packages"))), VENV / "lib")


def forget_partial_packages() -> list[str]:
    """Make pip install again what an interrupted run left in part; returns the names of such packages.

    A package is in part when its list of files is missing, or one of the files listed is absent or
    has another size. Taking its metadata folder away is enough: pip then overwrites the rest.
    """
    for remains in site_packages().glob("~*"):  # what pip had set aside to put back or throw away
        shutil.rmtree(remains, ignore_errors=True)
    forgotten = []
    for metadata in sorted(site_packages().glob("*.dist-info")):
        if not _is_whole(metadata):
            shutil.rmtree(metadata)
            forgotten.append(metadata.name.partition("-")[0])
    return forgotten


def _is_whole(metadata: Path) -> bool:
    import csv

    try:
        with (metadata / "RECORD").open(encoding="utf-8", newline="") as record:
            for name, _digest, size in csv.reader(record):
                if size and (metadata.parent / name).stat().st_size != int(size):
                    return False
    except (OSError, ValueError):
        return False
    return True


def install_packages(extra: str | None) -> None:
    """Bring the environment to the pinned versions, this checkout among them as an editable install."""
    if not venv_works():
        make_venv()
    if UNFINISHED.exists() and (partial := forget_partial_packages()):
        say(f"Going on with an interrupted set-up; installing again: {', '.join(partial)}.")
    UNFINISHED.touch()
    say("Installing the packages; the first time this takes some minutes and about 2 GB (7 GB with CUDA).")
    target = f".[{extra}]" if extra else "."
    pip = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    if run_python(*pip, "-c", "constraints.txt", "-e", target) != 0:
        raise SetUpError(
            "The packages could not be installed; pip's message above says why. "
            "Run the same command again to go on from here."
        )
    UNFINISHED.unlink()


def missing_libraries() -> list[str]:
    """Those of Qt's system libraries that this Linux does not have."""
    import ctypes

    def loads(name: str) -> bool:
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    return [name for name in QT_LIBRARIES if not loads(name)]


def has_fonts() -> bool:
    """Whether any font file lies where fontconfig looks."""
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
    folders += [Path.home() / ".fonts", Path.home() / ".local/share/fonts"]
    return any(next(folder.rglob(f"*.{kind}"), None) for folder in folders for kind in ("ttf", "otf", "ttc", "pfb"))


def missing_programs() -> list[str]:
    """Those of the tests' programs that this Linux does not have."""
    return [name for name in DISPLAY_PROGRAMS if not shutil.which(name)]


def install_qt_libraries() -> None:
    """Install Qt's system libraries where we may, else say what to type; the window may yet open without some."""
    missing = missing_libraries()
    packages = sorted({QT_LIBRARIES[name] for name in missing}) + ([] if has_fonts() else [FONT_PACKAGE])
    if packages:
        wanted = ", ".join(missing) or "a font such as DejaVu Sans"
        install_system_packages("The window needs libraries", wanted, packages)
        if still := missing_libraries():
            say(f"Still missing: {', '.join(still)}. If the window does not open, install what holds them.")


def install_display_programs() -> None:
    """Install what some tests need where we may, else say what to type; without them these are skipped."""
    if missing := missing_programs():
        packages = [DISPLAY_PROGRAMS[name] for name in missing]
        install_system_packages(
            "Tests that drive the window or make an AppImage need programs", ", ".join(missing), packages
        )


def install_system_packages(who: str, wanted: str, packages: list[str]) -> None:
    """Install Debian's packages as root, else say what to type.

    Args:
        who: the beginning of the sentence "... that are missing".
        wanted: what the packages are wanted for, to look for it where there is no apt-get.
    """
    if not shutil.which("apt-get"):
        say(f"{who} that are missing: install your system's packages that hold {wanted}.")
        return
    if os.geteuid() != 0:
        say(f"{who} that are missing. To install them, type:")
        say(f"  sudo apt-get update && sudo apt-get install -y {' '.join(packages)}")
        return
    say(f"{who} that are missing; installing {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    for command in (["apt-get", "-q", "update"], install):
        if subprocess.call(command, stdout=sys.stderr, stdin=subprocess.DEVNULL, env=environment) != 0:
            say(f"This did not work: {' '.join(command)}")


def install_for_linux(part: str) -> bool:
    """Install a part that is the system's; returns whether it is all here now. Other systems have it."""
    if not sys.platform.startswith("linux"):
        return True
    if part == "qt":
        install_qt_libraries()
        return not missing_libraries()
    install_display_programs()
    return not missing_programs()


def set_up(purpose: str) -> None:
    """Do what is missing for `purpose`.

    Raises:
        SetUpError: it cannot be done here and now.
    """
    with only_one():
        for part in parts_missing(purpose):
            if part in ("qt", "display"):
                # Without the right to install, look again at every start until someone has.
                if not install_for_linux(part):
                    continue
            else:
                install_packages("test" if part == "test packages" else None)
            mark_done(part)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Set up this checkout of S3D Chat.")
    parser.add_argument("--for", dest="purpose", choices=PARTS, default="command")
    parser.add_argument("--check", action="store_true", help="only tell by the exit code whether all is done")
    options = parser.parse_args(arguments)
    if options.check:
        return 1 if parts_missing(options.purpose) else 0
    try:
        set_up(options.purpose)
    except SetUpError as error:
        say(f"{error}")
        return 1
    except KeyboardInterrupt:
        say("The set-up was interrupted; run the same command again to go on from here.")
        return 130
    except OSError as error:
        say(f"The set-up cannot go on: {error}. Run the same command again once that is mended.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
