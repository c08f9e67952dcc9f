"""`s3d adapter`: draft adapters to peft's format and back."""

import argparse
from pathlib import Path

from s3d_core.errors import AdapterError


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "adapter",
        help="convert a draft adapter to peft's format, or back",
        description="Convert a draft adapter to a LoRA folder that peft loads, or such a folder back, bit by bit.",
    )
    parser.add_argument("direction", choices=("export", "import"), help="export: to peft's format; import: back")
    parser.add_argument("source", type=Path, metavar="FROM", help="folder to read")
    parser.add_argument("out", type=Path, metavar="TO", help="folder to write; it must be new or empty")
    parser.add_argument("--joined", action="store_true",
                        help="export: the model joins query, key and value, as Phi-3 does")  # fmt: skip
    parser.add_argument("--base-model", metavar="NAME", help="export: where peft finds the model, a path or a hub name")


def run(args: argparse.Namespace) -> int:
    """Convert; returns the exit code."""
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise AdapterError(f"{args.out} is there already; name a folder that is new or empty.")
    from s3d_core.peft_format import from_peft, to_peft

    try:
        if args.direction == "export":
            to_peft(args.source, args.out, joined=args.joined, base_model=args.base_model)
        else:
            from_peft(args.source, args.out)
    except OSError as error:
        raise AdapterError(f"{args.out} cannot be written: {error.strerror or error}.") from error
    print(f"Written to {args.out}.")
    return 0
