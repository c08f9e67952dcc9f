"""What the bundle weighs, part by part, and how long it takes to start: written beside it as `report.json`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import forms

# Part -> where it lies in the bundle. What is in none of these is "other libraries".
PARTS = {
    "torch": ("torch",),
    "LLVM": ("llvmlite",),
    "Qt": ("PySide6", "shiboken6"),
    "the default model": ("resources/models",),
    "the draft adapter": ("resources/adapters",),
    "numpy": ("numpy", "numpy.libs"),
    "transformers and tokenizers": ("transformers", "tokenizers", "safetensors"),
    "Pillow": ("PIL", "pillow.libs"),
}
QUESTION = ["ask", "Why does bread rise?", "--max-tokens", "24", "--strategy", "s3d", "--json"]


def sizes(folder: Path) -> dict[str, int]:
    """Bytes by part, the largest first."""
    inside = next(
        (place for place in (folder / "_internal", folder / "Contents" / "Frameworks") if place.exists()), folder
    )
    found = {part: sum(_size(inside / place) for place in places) for part, places in PARTS.items()}
    found["Python's code"] = sum(_size(path) for path in folder.glob("s3d*") if path.is_file())
    found["other libraries"] = forms.size(folder) - sum(found.values())
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _size(path: Path) -> int:
    return forms.size(path) if path.exists() else 0


def starts(program: Path) -> dict[str, float]:
    """Seconds that the terminal program takes in an empty home: for its version, its first answer, and the next one.

    Raises:
        RuntimeError: it does not answer.
    """
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "S3D_HOME": home}
        return {
            "version": _seconds([str(program), "--version"], environment),
            "first answer, the model unpacked": _seconds([str(program), *QUESTION], environment),
            "next answer": _seconds([str(program), *QUESTION], environment),
        }


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return round(time.monotonic() - began, 1)


def write(path: Path, **measured: object) -> dict:
    """Put what was measured into the report, beside what it says already; returns the whole."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    told |= measured
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def show(told: dict) -> None:
    """The report as lines."""
    for part, count in told.get("bytes", {}).items():
        print(f"{count / 1e6:8,.1f} MB  {part}", file=sys.stderr)
    for what, seconds in told.get("seconds", {}).items():
        print(f"{seconds:8.1f} s   {what}", file=sys.stderr)
