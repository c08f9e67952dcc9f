"""`s3d bench --sweep`, `--exactness` and `--curves`: strategy s3d over a range of settings."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
_SWEEP_PROMPTS, _EXACTNESS_PROMPTS, _CURVES_PROMPTS = 4, 8, 3
_STARTS, _MINUTES = 5, 20.0

Stopped = Callable[[], bool]
Study = Callable[[argparse.Namespace, "Engine", Sequence[Prompt], SamplingSettings, Stopped], dict[str, Any]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--sweep`, `--exactness`, `--curves` and `--startup`."""
    group = parser.add_argument_group(
        "studies of s3d, in place of comparing strategies unless --strategies is given too"
    )
    group.add_argument("--sweep", type=Path, metavar="FILE.png",
                       help="draw the speed-up by skipped layers and draft length")  # fmt: skip
    group.add_argument("--exactness", type=_numbers, metavar="X,Y,...",
                       help="what relaxing costs, as in 1,0.75,0.5,0.25,0; a single X is a setting")  # fmt: skip
    group.add_argument("--curves", action="store_true",
                       help="speed by context, draft length, tree size and skipped layers")  # fmt: skip
    group.add_argument("--minutes", type=float, default=_MINUTES, metavar="N",
                       help=f"the most that --curves takes ({_MINUTES:g}); tells what it did not reach")  # fmt: skip
    group.add_argument("--startup", type=int, nargs="?", const=_STARTS, default=0, metavar="N",
                       help=f"time and memory of real starts, N of each process ({_STARTS})")  # fmt: skip


def _numbers(text: str) -> float | tuple[float, ...]:
    """One number, or several with commas between them."""
    found = tuple(float(part) for part in text.split(","))
    return found[0] if len(found) == 1 else found


def chosen(args: argparse.Namespace) -> list[Study]:
    """The studies that were asked for.

    Raises:
        SettingError: one cannot be done as asked for; said before a model is loaded.
    """
    several = isinstance(args.exactness, tuple)
    if args.startup < 0:
        raise SettingError("--startup takes the number of starts, at least 1.")
    if not args.minutes > 0:
        raise SettingError("--minutes must be above 0.")
    if several:
        _check_exactness(args.exactness)
        if args.sweep or args.curves or args.strategies or args.startup:
            raise SettingError("A range of --exactness is a study of its own; run it without other studies.")
        return [_exactness]
    if args.sweep:
        _check_picture(args.sweep)
    return [study for study, wanted in ((_curves, args.curves), (_sweep, args.sweep)) if wanted]


def _check_exactness(values: Sequence[float]) -> None:
    for exactness in values:
        DraftSettings(exactness=exactness)
    if 1.0 not in values or len(set(values)) < len(values):
        raise SettingError("--exactness takes different numbers, 1 among them, as all are compared with it.")


def _check_picture(file: Path) -> None:
    if file.suffix.lower() != ".png":
        raise SettingError(f"--sweep draws a PNG file; give it a name that ends in .png, not {file.name!r}.")
    if not file.absolute().parent.is_dir():
        raise SettingError(f"The folder of {file} does not exist; make it first.")
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise SettingError("--sweep needs the package Pillow to draw; install it, or S3D Chat from source.") from error


def _curves(args, engine: "Engine", rows: Sequence[Prompt], sampling: SamplingSettings, stopped: Stopped) -> dict:
    from s3d_core.bench.curves import measure_curves, table

    draft = options.draft_settings(args, engine.info.defaults)
    if args.least is None:
        draft = replace(draft, least_probability=0.0)  # else a tree does not grow to its size
    questions = [row.turns[0] for row in rows[: args.limit or _CURVES_PROMPTS]]
    with ProgressLine() as line:
        curves = measure_curves(engine, draft, questions, sampling, 60 * args.minutes, line, stopped)
    found = where(engine)
    print(f"{found['model']}, {found['dtype']} on {found['device']}: {len(questions)} prompts of up to "
          f"{sampling.max_tokens} tokens, each point beside plain decoding; medians")  # fmt: skip
    print(table(curves))
    whole = found | {"prompts": len(questions), "settings": as_dict(draft) | as_dict(sampling)}
    # What the model was made for, or less where --context or the memory sets a limit.
    whole |= {"context_limit": engine.context_limit}
    return {"curves": whole | {"curves": [curve.record() for curve in curves]}}


def _sweep(args, engine: "Engine", rows: Sequence[Prompt], sampling: SamplingSettings, stopped: Stopped) -> dict:
    from s3d_core.bench import heatmap
    from s3d_core.bench.sweep import best, sweep, table

    draft = replace(options.draft_settings(args, engine.info.defaults), strategy="s3d")
    prompts = [_ids(engine, row.turns[0]) for row in rows[: args.limit or _SWEEP_PROMPTS]]
    with ProgressLine() as line:
        cells = sweep(engine, draft, prompts, sampling, lambda done, what: line(what, done / len(prompts)), stopped)
    winner = best(cells)
    here = where(engine)
    how = f"{len(prompts)} prompts of up to {sampling.max_tokens} tokens, tree of up to {draft.tree_size}"
    print(f"{here['model']}, {here['dtype']} on {here['device']}: {how}; median speed-up over plain")
    print(table(cells))
    notes = [
        f"{here['model']} of {engine.info.depth} layers in {here['dtype']} on {here['processor']}",
        f"{how}; each cell over plain decoding of the same prompts, measured beside it; median",
    ]
    try:
        heatmap.draw(cells, "Speed-up of S3D over plain decoding", notes, args.sweep)
    except OSError as error:
        raise SettingError(f"{args.sweep} cannot be written: {error.strerror or error}.") from error
    whole = here | {"prompts": len(prompts), "settings": as_dict(draft) | as_dict(sampling)}
    whole |= {"cells": [cell.record() for cell in cells], "best": winner and winner.record()}
    return {"sweep": whole | {"picture": str(args.sweep)}}


def _exactness(args, engine: "Engine", rows: Sequence[Prompt], sampling: SamplingSettings, stopped: Stopped) -> dict:
    from s3d_core.bench.relaxed import Task, compare, read_sums, records, sum_chat, table

    positions = args.exactness
    args.exactness = None  # the settings that all positions share have none
    draft = replace(options.draft_settings(args, engine.info.defaults), strategy="s3d")
    if "s3d" not in engine.strategies:
        raise SettingError("This model has no draft adapter, so s3d cannot be relaxed; train one with `s3d train`.")
    tasks = [Task(_ids(engine, row.turns[0])) for row in rows[: args.limit or _EXACTNESS_PROMPTS]]
    tasks += [Task(engine.chat_ids(sum_chat(text)), answer) for text, answer in read_sums(SUMS)[: args.limit]]
    with ProgressLine() as line:

        def tell(done: int, what: str) -> None:
            if stopped():
                raise KeyboardInterrupt  # positions are compared when all are measured
            line(what, done / len(tasks))

        found = compare(engine, draft, positions, tasks, sampling, tell)
    here = where(engine)
    print(f"{here['model']}, {here['dtype']} on {here['device']}: {len(tasks)} replies of up to "
          f"{sampling.max_tokens} tokens; medians")  # fmt: skip
    shown = records(found)
    print(table(shown))
    whole = here | {"settings": as_dict(draft) | as_dict(sampling), "positions": shown}
    return {"exactness": whole}


def _ids(engine: "Engine", question: str) -> list[int]:
    return engine.chat_ids([{"role": "user", "content": question}])


def threads() -> int:
    """Threads that torch computes with."""
    import torch

    return torch.get_num_threads()


def where(engine: "Engine") -> dict:
    """What is measured on what, as plain JSON types."""
    import torch

    info, count = engine.info, threads()
    name = torch.cuda.get_device_name(engine.target.device) if engine.target.device.type == "cuda" else processor()
    return {
        "model": info.name,
        "dtype": info.dtype,
        "device": info.device,
        "threads": count,
        "processor": name if engine.target.device.type == "cuda" else f"{name}, {count} thread{'s' * (count > 1)}",
    }
