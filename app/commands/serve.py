"""`s3d serve`: a local server that speaks the OpenAI API."""

import argparse
import sys
from pathlib import Path

from app.commands import options
from app.diagnostics.log import log_to_terminal
from app.server import DEFAULT_HOST, DEFAULT_PORT
from app.server import key as keys
from app.server.backend import EngineBackend
from app.server.service import Service, stop_on_signals
from s3d_core.settings import DraftSettings


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "serve",
        help="serve the model to other programs by the OpenAI API",
        description="Serve the model to other programs by the OpenAI API, on this computer alone unless --host says "
        "otherwise. A key is made at the first start, kept, and shown; $S3D_API_KEY or --key-file give another.",
    )
    group = parser.add_argument_group("server")
    group.add_argument("--host", default=DEFAULT_HOST, help=f"address to listen on (default: {DEFAULT_HOST})")
    group.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"0 for any (default: {DEFAULT_PORT})")
    group.add_argument("--key-file", type=Path, metavar="FILE", help="holds the key; made where it is missing")
    group.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="another name of this server")
    group.add_argument("--allow-origin", action="append", default=[], metavar="URL", help="a web page that may ask")
    options.add_model_options(parser)
    options.add_draft_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit code."""
    log_to_terminal()
    options.draft_settings(args, DraftSettings())  # what is out of bounds need not wait for the model
    key, source = keys.find(args.key_file)
    # The address first: that it is in use is told before the model is loaded.
    service = Service(key, args.host, args.port, args.allow_host, args.allow_origin)
    try:
        engine = options.load_engine(args)
        if engine.info.notice:
            say(engine.info.notice)
        draft = options.draft_settings(args, engine.info.defaults)
        with stop_on_signals(service):
            say(f"{engine.info.name} is served at {service.address}; Ctrl-C ends it.")
            say(f"The key is {key}" if sys.stderr.isatty() else f"The key is in {source}.")
            if not service.is_local:
                say("Other computers can reach it, and what goes between is not encrypted.")
            service.run(EngineBackend(engine, draft))
    finally:
        service.close()
    say("The server has ended.")
    return 0


def say(sentence: str) -> None:
    """Tell the person at the terminal."""
    print(sentence, file=sys.stderr, flush=True)
