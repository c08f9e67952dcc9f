"""Builds S3D Chat as something to double-click, with the default model inside. One command on each system:

    python packaging/build.py

On Linux it makes a folder, a .tar.gz of it and, where `mksquashfs` is found, an AppImage; on Windows a folder and,
where Inno Setup's `iscc` is found, a setup program; on macOS an .app and a .dmg. It needs Python 3.11 or newer and the
network, or an environment that has the packages already. Everything lands in `dist/`, with `report.json`, which says
what each part weighs and how long a start takes.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "tools")]

# The CPU build of torch is a quarter of the usual one on Linux. pip's own settings can name another place.
CPU_TORCH = "https://download.pytorch.org/whl/cpu"


def say(text: str) -> None:
    """One line to the user."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Build; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "build", help="folder for what is made on the way")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="folder for the results")
    parser.add_argument("--forms", default="all", help="all, or folder for the folder alone")
    parser.add_argument("--torch-index", default=CPU_TORCH, help="where a new environment gets torch for CPUs")
    options = parser.parse_args()
    if why := why_not_here():
        if os.environ.get("S3D_BUNDLE_ENVIRONMENT"):
            say(f"The environment in {sys.prefix} cannot build the bundle: {why}.")
            return 1
        return build_in_own_environment(options, why)
    return build(options)


def why_not_here() -> str:
    """Why this Python cannot build a bundle for CPUs; empty where it can."""
    for name in ("PyInstaller", "torch", "PySide6", "transformers"):
        if importlib.util.find_spec(name) is None:
            return f"it has no {name}"
    import torch

    return "its torch is a CUDA build, which is four times as large" if torch.version.cuda else ""


def build_in_own_environment(options: argparse.Namespace, why: str) -> int:
    """Make an environment with the pinned packages and torch for CPUs, and build with its Python."""
    folder = options.work.resolve() / "environment"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    say(f"This Python does not build the bundle, as {why}. Making an environment in {folder}.")
    pip = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-c", "constraints.txt"]
    steps = [[sys.executable, "-m", "venv", str(folder)], [*pip, ".[package]"]]
    if sys.platform == "linux":
        # From its own index alone, so that no newer CUDA build takes its place; what it needs comes afterwards.
        steps.insert(1, [*pip, "--no-deps", "torch", "--index-url", options.torch_index])
    for step in steps:
        if subprocess.call(step, cwd=ROOT, stdout=sys.stderr) != 0:
            say(f"This did not work: {' '.join(step)}")
            return 1
    command = [str(python), str(HERE / "build.py"), *sys.argv[1:]]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, "S3D_BUNDLE_ENVIRONMENT": "1"})


def build(options: argparse.Namespace) -> int:
    """Build with the packages of this Python."""
    import forms
    import prepare
    import report

    from app import __version__

    prepare.install_qt_libraries()  # PyInstaller takes along those that it finds
    work, dist = options.work.resolve(), options.dist.resolve()
    for folder in (work, dist):
        folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(dist), "--workpath", str(work), str(HERE / "s3d-chat.spec")]
    environment = {**os.environ, "S3D_BUNDLE_WORK": str(work), "S3D_BUNDLE_VERSION": __version__}
    environment |= {"PYTHONWARNINGS": "ignore", "QT_QPA_PLATFORM": "offscreen"}
    say("Collecting the program, its libraries and the model; this takes some minutes.")
    if subprocess.call(command, cwd=ROOT, env=environment, stdout=sys.stderr) != 0:
        say("PyInstaller failed; its message is above.")
        return 1
    folder = forms.finish_folder(dist / "S3D Chat")
    took = time.monotonic() - began
    name = {"win32": "s3d.exe", "darwin": "../S3D Chat.app/Contents/MacOS/s3d"}.get(sys.platform, "s3d")
    say("Starting it, to see that it answers and how long that takes.")
    try:
        seconds = report.starts(folder / name)
    except (RuntimeError, OSError) as error:
        say(f"The bundle does not work: {error}")
        return 1
    told = report.write(dist / "report.json", version=__version__, bytes=report.sizes(folder), seconds=seconds)
    report.show(told)
    made = [folder]
    if options.forms == "all":
        made += forms.packages(folder, dist, work, __version__)
    say(f"Built in {took:.0f} s, with what is made of it in {time.monotonic() - began:.0f} s:")
    for path in made:
        print(f"{forms.size(path) / 1e6:8,.0f} MB  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
