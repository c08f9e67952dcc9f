"""`s3d`: the terminal commands.

Exit codes: 0, 1 for an error that one sentence on stderr explains, 2 for a wrong usage, 130 after Ctrl-C.
"""

import argparse
import importlib
import os
import sys

from app import __version__
from s3d_core.errors import OUT_OF_MEMORY, S3DError, is_out_of_memory

# Only the chosen command's module is imported.
COMMANDS = {
    "ask": "answer one question",
    "chat": "chat in the terminal",
    "serve": "serve the model to other programs by the OpenAI API",
    "bench": "measure drafting strategies side by side",
    "train": "train a draft adapter for a model",
    "adapter": "convert a draft adapter to peft's format, or back",
    "models": "list, fetch, import, verify and remove models",
}


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="s3d", description="Chat with local models that draft for themselves.")
    parser.add_argument("--version", action="version", version=f"s3d-chat {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, summary in COMMANDS.items():
        if name == chosen:
            importlib.import_module(f"app.commands.{name}").add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter shows another in its place.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    options = _parser(chosen).parse_args(arguments)
    try:
        code = importlib.import_module(f"app.commands.{options.command}").run(options)
        sys.stdout.flush()
        return code
    except S3DError as error:
        print(error, file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(OUT_OF_MEMORY, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away, as `head` does. What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
