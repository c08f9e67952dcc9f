"""`s3d models precision`: which precision a model runs in here, why, and what each takes."""

import argparse
import json

from app.commands import options
from app.engine import precision
from app.models.precision import AUTO, REFUSED, Measured, said
from app.terminal import ProgressLine


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of the action."""
    parser.add_argument("model", nargs="?", metavar="NAME|PATH", help="default: the default model")
    parser.add_argument("--again", action="store_true", help="measure again what was measured before")


def run(args: argparse.Namespace) -> int:
    """Choose and tell; returns the exit code."""
    path = options.model_path(args)
    with ProgressLine() as line:
        choice = precision.choose(path, AUTO, progress=line, again=args.again)
        dtype = choice.precision if choice.precision != AUTO else _usual()
    if args.json:
        found = {"model": path.stem, "dtype": dtype, "why": choice.why, "refused": dict(choice.refused)}
        print(json.dumps(found | {"measured": _told(choice.measured)}, indent=2))
        return 0
    print(said(choice, dtype))
    for name, why in choice.refused.items():
        print(f"{name} cannot be used: {REFUSED[why]}.")
    return 0


def _usual() -> str:
    from s3d_core.load import pick_device, pick_dtype

    return str(pick_dtype(AUTO, pick_device(AUTO))).removeprefix("torch.")


def _told(measured: Measured | None) -> dict | None:
    return None if measured is None else measured.model_dump(mode="json")
