"""`s3d models`: lists the installed models, or fetches and checks the default one."""

import argparse
import json
import sys

from app.models import embedded, library
from app.models.places import models_dir
from app.terminal import ProgressLine


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser("models", help="list the installed models, or fetch the default one")
    parser.add_argument("action", nargs="?", choices=("list", "pull"), default="list", help="default: list")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: argparse.Namespace) -> int:
    """List or fetch; returns the exit code."""
    if args.action == "pull":
        with ProgressLine(always=True) as line:
            path = embedded.ensure(line)
        print(f"{embedded.DEFAULT_NAME} is whole: {path}", file=sys.stderr)
        if not args.json:
            return 0
    models = library.installed()
    if args.json:
        rows = [{"name": m.name, "path": str(m.path), "bytes": m.bytes, "source": m.source} for m in models]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    if not models:
        print(f"There are no models in {models_dir()} yet; `s3d models pull` fetches the default one.")
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        print(f"{model.name:<{width}}  {model.bytes / 1e6:>9,.1f} MB  {model.path}")
    return 0
