"""`s3d bench --sweep` and `--exactness`: strategy s3d over a range of settings. The last line is JSON."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands import options
from app.diagnostics.report import processor
from app.terminal import ProgressLine
from s3d_core.errors import SettingError
from s3d_core.prompts import Prompt
from s3d_core.settings import DraftSettings, SamplingSettings, as_dict

if TYPE_CHECKING:
    from s3d_core.engine import Engine

SUMS = Path(__file__).resolve().parent.parent.parent / "resources" / "prompts" / "sums.jsonl"
# Prompts of a study where `--limit` does not say.
_SWEEP_PROMPTS, _EXACTNESS_PROMPTS = 4, 8

Study = Callable[[argparse.Namespace, "Engine", Sequence[Prompt], SamplingSettings], int]


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--sweep` and `--exactness`."""
    group = parser.add_argument_group("studies of s3d, in place of comparing strategies; the last line is JSON")
    group.add_argument("--sweep", type=Path, metavar="FILE.png",
                       help="draw the speed-up by skipped layers and draft length")  # fmt: skip
    group.add_argument("--exactness", type=_numbers, metavar="X,Y,...",
                       help="what relaxing costs, as in 1,0.75,0.5,0.25,0; a single X is a setting")  # fmt: skip


def _numbers(text: str) -> float | tuple[float, ...]:
    """One number, or several with commas between them."""
    found = tuple(float(part) for part in text.split(","))
    return found[0] if len(found) == 1 else found


def chosen(args: argparse.Namespace) -> Study | None:
    """The study that was asked for, or None.

    Raises:
        SettingError: it cannot be done as asked for; said before a model is loaded.
    """
    several = isinstance(args.exactness, tuple)
    if args.sweep is None:
        if not several:
            return None
        for exactness in args.exactness:
            DraftSettings(exactness=exactness)
        if 1.0 not in args.exactness or len(set(args.exactness)) < len(args.exactness):
            raise SettingError("--exactness takes different numbers, 1 among them, as all are compared with it.")
        return _exactness
    if several:
        raise SettingError("--sweep and a range of --exactness are two studies; run them one after the other.")
    if args.sweep.suffix.lower() != ".png":
        raise SettingError(f"--sweep draws a PNG file; give it a name that ends in .png, not {args.sweep.name!r}.")
    if not args.sweep.absolute().parent.is_dir():
        raise SettingError(f"The folder of {args.sweep} does not exist; make it first.")
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise SettingError("--sweep needs the package Pillow to draw; install it, or S3D Chat from source.") from error
    return _sweep


def _sweep(args: argparse.Namespace, engine: "Engine", rows: Sequence[Prompt], sampling: SamplingSettings) -> int:
    from s3d_core.bench import heatmap
    from s3d_core.bench.sweep import best, sweep, table

    draft = replace(options.draft_settings(args, engine.info.defaults), strategy="s3d")
    prompts = [_ids(engine, row.turns[0]) for row in rows[: args.limit or _SWEEP_PROMPTS]]
    with ProgressLine() as line:
        cells = sweep(engine, draft, prompts, sampling, lambda done, what: line(what, done / len(prompts)))
    winner = best(cells)
    where = _where(engine)
    how = f"{len(prompts)} prompts of up to {sampling.max_tokens} tokens, tree of up to {draft.tree_size}"
    print(f"{where['model']}, {where['dtype']} on {where['device']}: {how}; median speed-up over plain")
    print(table(cells))
    notes = [
        f"{where['model']} of {engine.info.depth} layers in {where['dtype']} on {where['processor']}",
        f"{how}; each cell over plain decoding of the same prompts, measured beside it; median",
    ]
    try:
        heatmap.draw(cells, "Speed-up of S3D over plain decoding", notes, args.sweep)
    except OSError as error:
        raise SettingError(f"{args.sweep} cannot be written: {error.strerror or error}.") from error
    whole = where | {"prompts": len(prompts), "settings": as_dict(draft) | as_dict(sampling)}
    whole |= {"cells": [cell.record() for cell in cells], "best": winner and winner.record()}
    return _finish(args, {"sweep": whole | {"picture": str(args.sweep)}})


def _exactness(args: argparse.Namespace, engine: "Engine", rows: Sequence[Prompt], sampling: SamplingSettings) -> int:
    from s3d_core.bench.relaxed import Task, compare, read_sums, records, sum_chat, table

    positions = args.exactness
    args.exactness = None  # the settings that all positions share have none
    draft = replace(options.draft_settings(args, engine.info.defaults), strategy="s3d")
    if "s3d" not in engine.strategies:
        raise SettingError("This model has no draft adapter, so s3d cannot be relaxed; train one with `s3d train`.")
    tasks = [Task(_ids(engine, row.turns[0])) for row in rows[: args.limit or _EXACTNESS_PROMPTS]]
    tasks += [Task(engine.chat_ids(sum_chat(text)), answer) for text, answer in read_sums(SUMS)[: args.limit]]
    with ProgressLine() as line:
        found = compare(engine, draft, positions, tasks, sampling, lambda done, what: line(what, done / len(tasks)))
    where = _where(engine)
    print(f"{where['model']}, {where['dtype']} on {where['device']}: {len(tasks)} replies of up to "
          f"{sampling.max_tokens} tokens; medians")  # fmt: skip
    shown = records(found)
    print(table(shown))
    whole = where | {"settings": as_dict(draft) | as_dict(sampling), "positions": shown}
    return _finish(args, {"exactness": whole})


def _ids(engine: "Engine", question: str) -> list[int]:
    return engine.chat_ids([{"role": "user", "content": question}])


def _where(engine: "Engine") -> dict:
    import torch

    info, threads = engine.info, torch.get_num_threads()
    name = torch.cuda.get_device_name(engine.target.device) if engine.target.device.type == "cuda" else processor()
    return {
        "model": info.name,
        "dtype": info.dtype,
        "device": info.device,
        "threads": threads,
        "processor": name if engine.target.device.type == "cuda" else f"{name}, {threads} thread{'s' * (threads > 1)}",
    }


def _finish(args: argparse.Namespace, found: dict) -> int:
    text = json.dumps(found, allow_nan=False)
    if args.json:
        try:
            args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SettingError(f"{args.json} cannot be written: {error.strerror or error}.") from error
    print(text)
    return 0
