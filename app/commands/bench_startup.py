"""`s3d bench --startup`: how long a start takes and what memory it needs, by real processes started in turn."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.models import places
from app.terminal import ProgressLine
from s3d_core.errors import SettingError

if TYPE_CHECKING:
    from s3d_core.bench.processes import Run
    from s3d_core.engine import Engine

_QUESTION, _TOKENS = "Why does bread rise?", 48
_DRAFTING, _PLAIN = "s3d ask, drafting", "s3d ask, plain, without an adapter"
# What a load imports beside the engine is not imported before, so that a refused file is refused at once.
_LIBRARIES = "the engine and the libraries of a load"
_IMPORTS = {
    "import s3d_core.engine": "import s3d_core.engine",
    _LIBRARIES: "import s3d_core.engine; from transformers import LlamaForCausalLM, PreTrainedTokenizerFast",
    "import app.ui.window": "import app.ui.window",
}
_SAYS_SO = "; print('.', flush=True)"


def measure(args: argparse.Namespace, path: Path, starts: int, stopped: Callable[[], bool]) -> dict[str, list["Run"]]:
    """Start every process so many times, taking turns; a first start of each is not counted.

    Args:
        path: the model.
        stopped: when it says so, the rounds that are complete are what there is.

    Raises:
        SettingError: `s3d ask` fails here.
    """
    from s3d_core.bench import processes

    runs: dict[str, list[Run]] = {}
    commands = _commands(args, path)
    environment = {**os.environ, "PYTHONUTF8": "1"}
    folder = None if _is_bundle() else Path(__file__).resolve().parents[2]
    with ProgressLine() as line:
        for number in range(starts + 1):
            turn: dict[str, Run] = {}
            for place, (what, command) in enumerate(list(commands.items())):
                line(f"Start {number}: {what}", (number + place / len(commands)) / (starts + 1))
                run = processes.run(command, folder=folder, environment=environment, stopped=stopped)
                if run is None:
                    return runs
                if run.code and what in _IMPORTS:
                    del commands[what]  # an installation without the window, or without Qt's libraries
                elif run.code:
                    raise SettingError(f"--startup needs `s3d ask` to work, but it said: {_last(run.err)}")
                else:
                    turn[what] = run
            if number:  # the first pays for the files' way into the memory, and for compiling
                for what, run in turn.items():
                    runs.setdefault(what, []).append(run)
    return runs


def report(runs: dict[str, list["Run"]], engine: "Engine") -> dict[str, Any]:
    """What was measured, and what is counted of a loaded engine, as plain JSON types."""
    from s3d_core.bench import processes

    records = {what: processes.record(what, found) for what, found in runs.items()}
    weights, counted = engine.info.weight_bytes, engine.drafting_memory()
    libraries, plain, drafting = (_median(records, what, "peak_bytes") for what in (_LIBRARIES, _PLAIN, _DRAFTING))
    own_plain, own_drafting = (_median(records, what, "own_bytes") for what in (_PLAIN, _DRAFTING))
    on_cpu = engine.target.device.type == "cpu"
    more = own_drafting - own_plain if own_plain and own_drafting and counted and on_cpu else None
    compiled = places.compiled_dir()
    return {
        "starts": len(runs[_PLAIN]),
        "model_bytes": weights,
        "processes": list(records.values()),
        # How many times the weights the peak is above what the libraries take: one copy is 1.
        "copies": (plain - libraries) / weights if plain and libraries and on_cpu else None,
        "peak_with_drafting": drafting,
        "drafting": {
            "counted": counted,
            "counted_bytes": sum(counted.values()),
            "counted_share": sum(counted.values()) / weights,
            "measured_bytes": more,
            "measured_share": None if more is None else more / weights,
        },
        # Of drafting and plain decoding together.
        "compiled_code_bytes": sum(file.stat().st_size for file in compiled.glob("*")) if compiled.is_dir() else 0,
    }


def table(found: dict[str, Any]) -> str:
    """The report as tables for a terminal."""
    head = ("process", "first token, or imported", "to the end", "peak memory", "of its own")
    rows = [head]
    for p in found["processes"]:
        seconds = [_shown(p[key]["median"], " s", 1, 2) for key in ("first_token_s", "whole_s")]
        sizes = [_shown(p[key]["median"], " MB", 1e6, 0) for key in ("peak_bytes", "own_bytes")]
        rows.append((p["what"], *seconds, *sizes))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    drafting = found["drafting"]
    parts = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in drafting["counted"].items())
    if parts:
        lines.append(f"Drafting holds {drafting['counted_bytes'] / 1e6:.2f} MB, {drafting['counted_share']:.2%} of the "
                     f"model: {parts}")  # fmt: skip
    if drafting["measured_bytes"] is not None:
        lines.append(f"Measured, drafting against plain: {drafting['measured_bytes'] / 1e6:.1f} MB, "
                     f"{drafting['measured_share']:.2%} of the model")  # fmt: skip
    if found["copies"] is not None:
        lines.append(f"Above the libraries, plain's peak is {found['copies']:.2f} times the model's weights")
    return "\n".join(lines)


def _commands(args: argparse.Namespace, path: Path) -> dict[str, list[str]]:
    program = [sys.executable] if _is_bundle() else [sys.executable, "-P", "-m", "app.cli"]
    ask = [*program, "ask", _QUESTION, "--max-tokens", str(_TOKENS), "--model", str(path)]
    ask += ["--dtype", args.dtype, "--device", args.device]
    if args.context is not None:
        ask += ["--context", str(args.context)]
    if args.anyway:
        ask.append("--anyway")
    found = {_DRAFTING: [*ask, "--adapter", str(args.adapter)]}
    found[_PLAIN] = [*ask, "--adapter", "none", "--strategy", "plain"]
    if not _is_bundle():  # there is no Python that could be told to import
        found |= {what: [sys.executable, "-c", code + _SAYS_SO] for what, code in _IMPORTS.items()}
    return found


def _is_bundle() -> bool:
    return bool(getattr(sys, "frozen", False))


def _median(records: dict[str, dict], what: str, key: str) -> float | None:
    return records[what][key]["median"] if what in records else None


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else "nothing"


def _shown(value: float | None, unit: str, scale: float, digits: int) -> str:
    return "-" if value is None else f"{value / scale:,.{digits}f}{unit}"
