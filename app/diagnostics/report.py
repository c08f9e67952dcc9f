"""The report that a user can copy: versions, hardware, settings and the log, without chats and tokens."""

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from configparser import ConfigParser
from configparser import Error as ConfigError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from app import __version__
from app.diagnostics import log
from app.diagnostics.private import private
from app.diagnostics.runs import Ended
from app.models.places import data_dir

PACKAGES = ("torch", "transformers", "PySide6_Essentials", "safetensors", "tokenizers", "llvmlite", "numpy", "qasync")
# Of settings that hold words only these are told: any other could be a prompt, a name or a key.
TOLD = {"theme", "strategy", "device", "dtype", "precision", "language", "overflow", "policy", "mode"}


def report(facts: dict[str, str], before: Ended | None = None) -> str:
    """The whole report as text. Asks the disk and the driver, so call it outside the window's thread.

    Args:
        facts: what the window knows, by name: the model, its device, the screen.
        before: a run that broke off, if one did.
    """
    parts = [
        f"S3D Chat {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        _section("Versions", versions()),
        _section("Machine", machine()),
        _section("Now", facts),
        _section("Settings", settings()),
    ]
    if before is not None:
        parts.append(f"[Last run]\n{before.sentence}\n{before.fault}".rstrip())
    parts.append(f"[Log]\n{log.tail().strip() or 'empty'}")
    return private.scrub("\n\n".join(parts) + "\n")


def versions() -> dict[str, str]:
    """Of the program and of what it stands on, without importing any of it."""
    found = {"kind": "bundle" if getattr(sys, "frozen", False) else "source", "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """The system, the processor, memory, disk, and the GPU where there is one."""
    memory = psutil.virtual_memory()
    found = {
        "system": platform.platform(),
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "memory": f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} GB free",
        "decimals": _decimals(),
    }
    try:
        there = next(folder for folder in (data_dir(), *data_dir().parents) if folder.exists())
        found["disk"] = f"{shutil.disk_usage(there).free / 1e9:.1f} GB free"
    except OSError as error:
        found["disk"] = str(error)
    return found | _gpu()


def processor() -> str:
    """What the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _decimals() -> str:
    import locale

    return f"{locale.localeconv()['decimal_point']!r}, {locale.getlocale()[0]}"


def _gpu() -> dict[str, str]:
    try:
        import pynvml

        pynvml.nvmlInit()
        try:
            cuda = pynvml.nvmlSystemGetCudaDriverVersion()
            found = {"NVIDIA driver": f"{pynvml.nvmlSystemGetDriverVersion()}, CUDA {cuda // 1000}.{cuda % 1000 // 10}"}
            for index in range(pynvml.nvmlDeviceGetCount()):
                device = pynvml.nvmlDeviceGetHandleByIndex(index)
                total = pynvml.nvmlDeviceGetMemoryInfo(device).total
                found[f"GPU {index}"] = f"{pynvml.nvmlDeviceGetName(device)}, {total / 1e9:.1f} GB"
            return found
        finally:
            pynvml.nvmlShutdown()
    except Exception as error:  # no driver, no permission, a library of another version
        return {"GPU": f"none ({error})"}


def settings() -> dict[str, str]:
    """Every stored setting that is a number, a switch or one of a few words; of others only that they are there."""
    found: dict[str, str] = {}
    for path in sorted([*data_dir().glob("*.ini"), *data_dir().glob("*.json")]):
        try:
            found |= {f"{path.name} {name}": _told(name, value) for name, value in _flat(_read(path)).items()}
        except (OSError, ValueError, ConfigError):
            found[path.name] = "cannot be read"
    return found


def _read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, list):
        return {name: f"{len(value)} entries"}
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, held in value.items():
        # A name that a user gave to something may say anything.
        told = key if key.isidentifier() and key.isascii() else "(a name)"
        found |= _flat(held, f"{name}.{told}".lstrip("."))
    return found


def _told(name: str, value: Any) -> str:
    last = name.rpartition(".")[2].lower()
    if isinstance(value, (bool, int, float)) or value is None or last in TOLD:
        return str(value)[:60]
    words = str(value)
    if words.lower() in ("true", "false") or words.replace(".", "", 1).lstrip("-").isdigit():
        return words[:20]
    return f"({len(words)} characters)"


def _section(name: str, facts: dict[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f"{key}: {value}" for key, value in facts.items())])
