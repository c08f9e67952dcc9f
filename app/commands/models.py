"""`s3d models`: lists, fetches, imports, verifies and removes models, and says what they run in."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from app.commands import model_precision
from app.models import catalogue, embedded, imports, library
from app.models.download import Download, Progress
from app.models.journal import unfinished
from app.models.places import models_dir
from app.models.remains import clear_remains
from app.models.wanted import Wanted, parse
from app.terminal import ProgressLine
from s3d_core.errors import ModelError

STOPPED = "Stopped. What has come is kept: run the same command again to go on."


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser("models", help="list, fetch, import, verify and remove models")
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(dest="action", metavar="action")
    listing = _action(actions, "list", "list the installed models (what `s3d models` alone does)")
    listing.add_argument("--available", action="store_true", help="list what can be fetched by name instead")
    pull = _action(actions, "pull", "fetch a model, or go on with fetching it")
    pull.add_argument("name", nargs="?", help="a name from `list --available`, owner/name, or owner/name/file.gguf")
    bring = _action(actions, "import", "bring in a folder with safetensors or a GGUF file")
    bring.add_argument("path", type=Path)
    bring.add_argument("--in-place", action="store_true", help="use it where it lies instead of copying it")
    verify = _action(actions, "verify", "read models again and compare them with their digests")
    verify.add_argument("name", nargs="*", help="default: all")
    remove = _action(actions, "remove", "delete a model; one that is used in place is only taken off the list")
    remove.add_argument("name")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    model_precision.add_options(_action(actions, "precision", "say which precision a model runs in here, and why"))


def _action(actions, name: str, summary: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary)
    # Without a default, lest this one overwrite what stands before the action.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    return parser


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code."""
    clear_remains()
    others = {"pull": _pull, "import": _import, "verify": _verify, "remove": _remove, "precision": model_precision.run}
    return others.get(args.action, _list)(args)


def _list(args: argparse.Namespace) -> int:
    if getattr(args, "available", False):
        return _list_available(args)
    models = library.installed()
    if args.json:
        _print_json([_row(model) for model in models])
        return 0
    if not models:
        print(f"There are no models in {models_dir()} yet; `s3d models pull` fetches the default one.")
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        print(f"{model.name:<{width}}  {model.bytes / 1e6:>9,.1f} MB  {model.path}")
    for name, sentence in library.damaged():
        print(f"{name} cannot be used: {sentence}", file=sys.stderr)
    for left in unfinished():
        share = f"{left.here() / left.total:.0%}" if left.total else "0%"
        print(f"{left.wanted} is fetched to {share}: `s3d models pull {left.wanted}` goes on.", file=sys.stderr)
    return 0


def _list_available(args: argparse.Namespace) -> int:
    entries = catalogue.load()
    if args.json:
        _print_json([asdict(entry) for entry in entries])
        return 0
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        gated = "  asks for a token" if entry.gated else ""
        print(f"{entry.name:<{width}}  {entry.parameters / 1e9:>5.2f} B  {entry.licence:<14}  {entry.repo}{gated}")
    return 0


def _pull(args: argparse.Namespace) -> int:
    try:
        with ProgressLine(always=True) as line:
            if args.name is None or args.name.strip().lower() == embedded.DEFAULT_NAME.lower():
                name, path = embedded.DEFAULT_NAME, embedded.ensure(line)
            else:
                path = Download(_wanted(args.name)).run(lambda step: _show(line, step))
                name = path.name
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return 130
    print(f"{name} is whole: {path}", file=sys.stderr)
    if args.json:
        _print_json([_row(model) for model in library.installed() if args.name is None or model.name == name])
    return 0


def _wanted(name: str) -> Wanted:
    entry = catalogue.find(name)
    return entry.wanted if entry is not None else parse(name)


def _show(line: ProgressLine, step: Progress) -> None:
    words = step.phase
    if step.trouble:
        words = f"{step.trouble} Trying again"
    elif step.per_second > 0 and step.done < step.total:
        words += f" ({step.done / 1e6:,.0f} of {step.total / 1e6:,.0f} MB, {step.per_second / 1e6:,.1f} MB/s)"
    line(words, step.share) if line.is_live or step.trouble else line(step.phase, step.share)


def _import(args: argparse.Namespace) -> int:
    if args.in_place:
        model = imports.import_in_place(args.path)
    else:
        with ProgressLine(always=True) as line:
            model = imports.import_copy(args.path, line)
    print(f"{model.name} is imported: {model.path}", file=sys.stderr)
    if args.json:
        _print_json(_row(model))
    return 0


def _verify(args: argparse.Namespace) -> int:
    names = args.name or [library.name_of(entry) for entry in library.entries()]
    rows, wrong = [], 0
    for name in names:
        problem = ""
        try:
            with ProgressLine() as line:
                library.verify(name, line)
        except ModelError as error:
            problem, wrong = str(error), wrong + 1
        rows.append({"name": name, "whole": not problem, "problem": problem})
        if not args.json:
            print(problem or f"{name} is whole.", file=sys.stderr if problem else sys.stdout)
    if args.json:
        _print_json(rows)
    return 1 if wrong else 0


def _remove(args: argparse.Namespace) -> int:
    entry = library.locate(args.name)
    in_place = entry.name.endswith(library.LINK)
    if not args.yes:
        if not sys.stdin.isatty():
            raise ModelError("Removing asks first, and there is nobody to ask: add --yes.")
        question = "Take it off the list (its files stay)?" if in_place else f"Delete {entry}?"
        if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    library.remove(args.name)
    if args.json:
        _print_json({"removed": args.name, "files_deleted": not in_place})
    return 0


def _row(model: library.InstalledModel) -> dict:
    fields = asdict(model)
    return {**fields, "path": str(model.path)}


def _print_json(content) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))
