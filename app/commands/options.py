"""Options that several commands share, and the engine and the settings made from them."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import hardware
from app.engine import precision
from app.models import embedded, fit, library, places
from app.terminal import ProgressLine
from s3d_core.errors import ModelError
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, STRATEGIES, DraftSettings, SamplingSettings
from s3d_core.stats import USUAL_ROWS

if TYPE_CHECKING:
    from s3d_core.engine import Engine

# Option name -> field of the settings.
DRAFT_FIELDS = {
    "strategy": "strategy",
    "skip": "skipped",
    "draft": "draft_length",
    "tree": "tree_size",
    "least": "least_probability",
    "exactness": "exactness",
}
SAMPLING_FIELDS = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "stop": "stop",
}


def add_model_options(parser: argparse.ArgumentParser, chats: bool = True) -> None:
    """`--model --adapter --dtype --device --anyway`, and for what holds chats `--context`."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="NAME|PATH", help=f"default: {embedded.DEFAULT_NAME}")
    group.add_argument("--adapter", default="auto", metavar="PATH|none", help="draft adapter; default: one that fits")
    group.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16, int8, int4 or nf4")
    group.add_argument("--device", default="auto", help="auto, cpu or cuda")
    group.add_argument("--anyway", action="store_true", help="load even what does not seem to fit into the memory")
    if chats:
        group.add_argument(
            "--context", type=int, metavar="N", help="most tokens of a chat (default: what memory allows)"
        )


def add_draft_options(parser: argparse.ArgumentParser, single: bool = True) -> None:
    """`--skip --draft --tree --least`, and `--strategy --exactness` where a command runs a single one of each.

    What is not given is the model's own default.
    """
    group = parser.add_argument_group("drafting (default: what suits the model)")
    if single:
        group.add_argument("--strategy", metavar="NAME", help=", ".join(STRATEGIES))
    group.add_argument("--skip", type=int, metavar="N", help="layers skipped in the draft pass")
    group.add_argument("--draft", type=int, metavar="N", help=f"tokens drafted ahead, 1 to {MAX_DRAFT_LENGTH}")
    group.add_argument("--tree", type=int, metavar="N", help=f"candidates verified at once, 1 to {MAX_TREE_SIZE}")
    group.add_argument("--least", type=float, metavar="P", help="leave out candidates of a lower probability; 0: none")
    if single:
        group.add_argument("--exactness", type=float, metavar="X", help="1: exactly the model's own text, 0: fastest")


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """`--temperature --top-k --top-p --min-p --repetition-penalty --seed --max-tokens --stop --system`."""
    group = parser.add_argument_group("writing")
    usual = SamplingSettings()
    group.add_argument("--temperature", type=float, metavar="X", help="0: always the most probable token (default)")
    group.add_argument("--top-k", type=int, metavar="N", help="keep the N most probable tokens; 0: all (default)")
    group.add_argument("--top-p", type=float, metavar="X", help="keep the tokens that hold this probability")
    group.add_argument("--min-p", type=float, metavar="X", help="drop tokens below this share of the best one's")
    group.add_argument("--repetition-penalty", type=float, metavar="X", help="1: off (default)")
    group.add_argument("--seed", type=int, metavar="N", help=f"of the random draws (default: {usual.seed})")
    group.add_argument("--max-tokens", type=int, metavar="N", help=f"most tokens written (default: {usual.max_tokens})")
    group.add_argument("--stop", action="append", metavar="TEXT", help="ends the answer; may be given several times")
    group.add_argument("--system", metavar="TEXT", help="system prompt")


def _given(args: argparse.Namespace, fields: dict[str, str]) -> dict[str, Any]:
    return {field: value for option, field in fields.items() if (value := getattr(args, option, None)) is not None}


def draft_settings(args: argparse.Namespace, defaults: DraftSettings) -> DraftSettings:
    """`defaults` with the options that were given.

    Raises:
        SettingError: one is out of its bounds.
    """
    return replace(defaults, **_given(args, DRAFT_FIELDS))


def sampling_settings(args: argparse.Namespace) -> SamplingSettings:
    """The usual settings with the options that were given.

    Raises:
        SettingError: one is out of its bounds.
    """
    given = _given(args, SAMPLING_FIELDS)
    if "stop" in given:
        given["stop"] = tuple(given["stop"])
    return SamplingSettings(**given)


def model_path(args: argparse.Namespace) -> Path:
    """What `--model` names; without it the default model, fetched if need be with the progress on stderr.

    Raises:
        ModelError: it is not here, not whole, or cannot be fetched.
    """
    if args.model is not None:
        return library.find(args.model)
    with ProgressLine(always=True) as line:
        return embedded.ensure(line)


def load_engine(args: argparse.Namespace) -> "Engine":
    """The engine for `--model` and its companions; `args.choice` says what it is held in. Progress on stderr.

    Raises:
        ModelError, AdapterError: with a sentence for the user.
    """
    path = model_path(args)
    adapter = None if args.adapter == "none" else args.adapter if args.adapter == "auto" else Path(args.adapter)
    if args.context is not None and args.context < 1:
        raise ModelError("--context must be at least 1.")
    memory = hardware.look(ram=args.device == "cpu")
    if not args.anyway and (why := precision.refusal(path, memory, args.dtype, args.context)):
        raise ModelError(f"{why} To load it all the same give --anyway.")
    with ProgressLine() as line:
        line("Loading the libraries", 0.0)
        from s3d_core.engine import Engine

        args.choice = precision.choose(path, args.dtype, args.device, args.context, line)
        engine = Engine.load(
            path,
            dtype=args.choice.precision,
            device=args.device,
            adapter=adapter,
            adapters=[places.adapters_dir()],
            compiled=places.compiled_dir(),
            context=args.context or fit.context_for(path, memory, args.choice.precision),
            progress=line,
        )
    info = engine.info
    if info.verifies_slowly:
        print(
            f"Verifying is slow in {info.dtype} here: {USUAL_ROWS} rows take {info.verify_ratio:.1f} times a plain "
            "step, so that drafts gain little; --dtype bfloat16 gains more where it fits.",
            file=sys.stderr,
        )
    return engine
