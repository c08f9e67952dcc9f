"""`s3d train`: makes a draft adapter for a model, resumable at any moment."""

import argparse
import gc
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import hardware
from app.commands import bench, options
from app.models import fit, places
from app.terminal import ProgressLine, stop_on_interrupt
from app.training.reporter import PausedError, Reporter
from app.training.status import State
from s3d_core.errors import S3DError, TrainingError
from s3d_core.settings import MAX_DRAFT_LENGTH

_PHASES = {"corpus": ("Writing chats", "token"), "training": ("Training", "step"), "finishing": ("Finishing", "step")}
# Prompts on which the speed-up is measured.
_SPEED_PROMPTS = 4
# Tokens of a chat that is trained on, prompt and reply.
_TRAINED_AT_ONCE = 512


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a draft adapter for a model",
        description="Train a draft adapter. Run the same command again to go on after an interruption.",
    )
    options.add_model_options(parser, chats=False)
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="JSON lines with turns, answered by the model")
    parser.add_argument("--self-written", type=float, default=0.2, metavar="X", help="share of wholly own chats (0.2)")
    parser.add_argument("--corpus-tokens", type=int, default=200_000, metavar="N", help="reply tokens (200000)")
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="training steps in all (2000)")
    parser.add_argument("--rank", type=int, metavar="N", help="rank of the updates (default: by the size budget)")
    parser.add_argument("--slots", type=int, default=4, metavar="N", help="tokens drafted at once (4)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="X", help="peak learning rate (0.001)")
    parser.add_argument("--measure-every", type=int, default=200, metavar="N", help="steps between measurements (200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: the adapters of this user")
    parser.add_argument("--measure-speed", action="store_true", help="measure the speed-up before and after")
    parser.add_argument("--estimate", action="store_true", help="only say how long it would take and how much disk")


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    for name in ("corpus_tokens", "steps", "slots", "measure_every"):
        if getattr(args, name) < 1:
            raise TrainingError(f"--{name.replace('_', '-')} must be at least 1.")
    if args.slots > MAX_DRAFT_LENGTH:
        raise TrainingError(f"--slots must be at most {MAX_DRAFT_LENGTH}.")
    if args.rank is not None and args.rank < 1:
        raise TrainingError("--rank must be at least 1.")
    if not 0 < args.learning_rate <= 1:
        raise TrainingError("--learning-rate must be above 0 and at most 1.")
    if args.seed < 0:
        raise TrainingError("--seed must be at least 0.")
    if not 0 <= args.self_written <= 1:
        raise TrainingError("--self-written must be from 0 to 1.")
    path = options.model_path(args)
    folder = args.out or places.adapters_dir() / (path.stem if path.is_file() else path.name)
    if args.estimate:
        return _estimate(args, path, folder)
    if args.prompts:
        from s3d_core.prompts import read_prompts

        read_prompts(args.prompts)  # a mistake in the file is told before the model is loaded
    reporter = Reporter(_made(folder))
    try:
        return _train(args, path, folder, reporter)
    except PausedError:
        reporter.change(State.PAUSED)
        print("Paused; run the same command again to go on.", file=sys.stderr)
        return 0
    except KeyboardInterrupt:
        reporter.change(State.PAUSED)
        raise
    except S3DError as error:
        reporter.change(State.FAILED, sentence=str(error))
        raise
    except Exception as error:
        said = str(error).strip().splitlines()
        reporter.change(State.FAILED, sentence=f"Something went wrong: {said[0] if said else type(error).__name__}")
        raise


def _train(args: argparse.Namespace, path: Path, folder: Path, reporter: Reporter) -> int:
    _check_room(args, path)
    if args.measure_speed and reporter.status.before is None:
        reporter.change(State.BEFORE)
        before, strategy = _speed(args, path, "auto")
        reporter.change(State.STARTING, before=before, before_strategy=strategy)
    loaded, recipe = _prepared(args, path)
    from s3d_core.train.recipe import train

    command = "s3d " + shlex.join(sys.argv[1:])
    with stop_on_interrupt() as stopped, _Bars() as bars:

        def report(progress) -> bool:
            bars.show(progress)
            pauses = reporter.show(progress)
            if stopped.is_set() and progress.phase == "corpus":
                raise KeyboardInterrupt
            return stopped.is_set() or pauses

        adapter = train(loaded, recipe, folder, report, command)
    del loaded
    gc.collect()
    if args.measure_speed and not stopped.is_set():
        reporter.change(State.AFTER)
        after, _ = _speed(args, path, folder)
        reporter.change(State.DONE, after=after)
        print(f"{after:.2f} times as fast as plain decoding, before the training {reporter.status.before:.2f}.")
    reporter.change(State.PAUSED if stopped.is_set() else State.DONE)
    measured = adapter.card["training"]["held_out_tokens_per_round"]
    print(f"{measured:.2f} tokens per round on held-out chats; the adapter is in {folder}.")
    if stopped.is_set():
        print("Stopped before the last step; run the same command again to go on.", file=sys.stderr)
        return 130
    return 0


def _check_room(args: argparse.Namespace, path: Path) -> None:
    """Refuse a model that does not fit beside all that is in the memory now, the window's own model included."""
    memory = hardware.look(ram=args.device == "cpu")
    beside = replace(memory, ours=0, others=memory.used)
    precision = "float32" if args.dtype == "auto" and not memory.is_gpu else args.dtype
    if not args.anyway and (why := fit.refusal(path, beside, precision, _TRAINED_AT_ONCE)):
        raise TrainingError(f"Training is not possible now: {why}")


def _prepared(args: argparse.Namespace, path: Path) -> tuple[Any, Any]:
    """The model as it is trained on, and the recipe."""
    with ProgressLine() as line:
        line("Loading the libraries", 0.0)
        from s3d_core import load as loading
        from s3d_core.train.recipe import Recipe
        from s3d_core.train.trainer import settings_for

        device = loading.pick_device(args.device)
        # The base is frozen; on a CPU float32 multiplies fastest.
        dtype = "float32" if args.dtype == "auto" and device.type == "cpu" else args.dtype
        loaded = loading.load(path, loading.pick_dtype(dtype, device), device, line)
    settings = settings_for(
        loaded.target,
        steps=args.steps,
        slots=args.slots,
        rank=args.rank,
        learning_rate=args.learning_rate,
        seed=args.seed,
    )
    return loaded, Recipe(args.prompts, args.self_written, args.corpus_tokens, settings, args.measure_every)


def _estimate(args: argparse.Namespace, path: Path, folder: Path) -> int:
    from app.training.measure import estimate, keep_estimate

    _check_room(args, path)
    loaded, recipe = _prepared(args, path)
    found = estimate(loaded, recipe)
    keep_estimate(folder, found)
    hours = found.seconds(args.corpus_tokens, args.steps, args.measure_every) / 3600
    print(f"About {hours:.1f} hours and {found.disk(args.corpus_tokens) / 1e9:.1f} GB on the disk.")
    return 0


def _speed(args: argparse.Namespace, path: Path, adapter: Path | str) -> tuple[float, str]:
    """The speed over plain decoding as a chat has it, and what drafts."""
    from app.training.measure import speed_over_plain
    from s3d_core.engine import Engine
    from s3d_core.prompts import read_prompts

    engine = Engine.load(
        path,
        dtype=args.dtype,
        device=args.device,
        adapter=adapter,
        adapters=[places.adapters_dir()],
        compiled=places.compiled_dir(),
    )
    rows = read_prompts(bench.PROMPTS)
    prompts = [row.turns[0] for row in rows[:: max(1, len(rows) // _SPEED_PROMPTS)][:_SPEED_PROMPTS]]
    try:
        return speed_over_plain(engine, prompts), engine.info.defaults.strategy
    finally:
        engine.close()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be made: {error.strerror or error}; give another --out.") from error
    return folder


class _Bars:
    """A tqdm bar a phase, with measurements printed above it."""

    def __enter__(self) -> "_Bars":
        self._bar: Any = None
        self._phase = ""
        return self

    def __exit__(self, *error) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress) -> None:
        from tqdm import tqdm

        if progress.phase != self._phase:
            self.__exit__()
            title, unit = _PHASES[progress.phase]
            self._bar = tqdm(total=progress.total, initial=progress.done, desc=title, unit=unit, smoothing=0.05)
            self._phase = progress.phase
        self._bar.update(progress.done - self._bar.n)
        if progress.loss is not None:
            self._bar.set_postfix(loss=f"{progress.loss:.2f}")
        if progress.tokens_per_round is not None:
            tqdm.write(f"step {progress.done}: {progress.tokens_per_round:.2f} tokens per round on held-out chats")
