"""`s3d bench`: drafting strategies, transformers and llama.cpp side by side on the same prompts, and studies of s3d.

The last line on stdout is everything measured, as JSON; `--report` makes a page of it. Ctrl-C ends the measuring
behind the reply at work, and what was measured until then is told in the same ways.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands import bench_startup, bench_studies, options
from app.diagnostics.report import machine, versions
from app.models import places
from app.models.precision import said
from app.terminal import ProgressLine, stop_on_interrupt
from s3d_core.errors import PromptError, SettingError
from s3d_core.prompts import Prompt, read_prompts
from s3d_core.settings import SamplingSettings, as_dict

if TYPE_CHECKING:
    from s3d_core.engine import Engine

PROMPTS = Path(__file__).resolve().parent.parent.parent / "resources" / "prompts" / "bench.jsonl"
USUAL = "plain,lookup,skip,s3d,hf"


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure drafting strategies side by side",
        description="Measure strategies in turn on the same prompts: medians, ratios and their spread.",
    )
    options.add_model_options(parser)
    options.add_draft_options(parser, single=False)
    parser.add_argument("--strategies", metavar="A,B,...",
                        help="of plain, lookup, skip, s3d, auto, hf, hf-lookup, hf-early-exit, llama-q4_1, llama-q8_0, "
                             f"llama-bf16 (default: {USUAL}); with settings of its own as in s3d:skip=6:tree=5, "
                             "of skip, draft, tree and least")  # fmt: skip
    parser.add_argument("--prompts", type=Path, default=PROMPTS, metavar="FILE", help="JSON lines with turns")
    parser.add_argument("--limit", type=int, metavar="N", help="first N prompts")
    parser.add_argument("--max-tokens", type=int, default=128, metavar="N", help="tokens per reply (128)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="X", help="0 (greedy)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write it as a page with tables and plots")
    bench_studies.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure; returns the exit code."""
    sampling = SamplingSettings(temperature=args.temperature, seed=args.seed, max_tokens=args.max_tokens)
    if args.limit is not None and args.limit < 1:
        raise PromptError("--limit must be at least 1.")
    rows = read_prompts(args.prompts)[: args.limit]
    names = list(dict.fromkeys(name.strip() for name in (args.strategies or USUAL).split(",") if name.strip()))
    if not names:
        raise SettingError("--strategies is empty; name at least one, for example plain,s3d.")
    _check_files(args)
    studies = bench_studies.chosen(args)
    compares = args.strategies is not None or not (studies or args.startup)
    found: dict[str, Any] = {}
    with stop_on_interrupt("Stopping when the reply at work is done; Ctrl-C again ends at once.") as stopped:

        def stop() -> bool:
            return stopped.is_set()

        starts = {}
        if args.startup:
            # Before a model is loaded here: two of them might not fit.
            starts = bench_startup.measure(args, options.model_path(args), args.startup, stop)
        if not stop():
            engine = options.load_engine(args)
            if starts:
                found |= _startup(args, engine, starts)
            if compares:
                found |= _compare(args, engine, rows, names, sampling, stop)
            for study in studies:
                if not stop():
                    found |= study(args, engine, rows, sampling, stop)
        return _finish(args, found, stop())


def _check_files(args: argparse.Namespace) -> None:
    for file in (args.json, args.report):
        if file and not file.absolute().parent.is_dir():
            raise SettingError(f"The folder of {file} does not exist; make it first.")
    if args.report and args.report.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"--report writes a page; give it a name that ends in .html, not {args.report.name!r}.")


def _startup(args: argparse.Namespace, engine: "Engine", starts: dict) -> dict[str, Any]:
    for _ in engine.generate(
        engine.chat_ids([{"role": "user", "content": "Why does bread rise?"}]),
        options.draft_settings(args, engine.info.defaults),
        SamplingSettings(max_tokens=48),
    ):
        pass  # so that what grows with the text is counted as after an answer
    told = bench_startup.report(starts, engine)
    print(f"{engine.info.name}: {told['starts']} starts of each process in turn; medians")
    print(bench_startup.table(told))
    return {"startup": bench_studies.where(engine) | told}


def _compare(
    args: argparse.Namespace,
    engine: "Engine",
    rows: Sequence[Prompt],
    names: list[str],
    sampling: SamplingSettings,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    draft = options.draft_settings(args, engine.info.defaults)
    from s3d_core.bench.bandwidth import read_bandwidth
    from s3d_core.bench.contenders import assemble, check_names
    from s3d_core.bench.run import measure, summary, table
    from s3d_core.load import stock_model

    check_names(names)
    info, device = engine.info, engine.target.device
    prompts = [(row.category, engine.chat_ids([{"role": "user", "content": row.turns[0]}])) for row in rows]
    context = max(len(ids) for _, ids in prompts) + args.max_tokens

    def load_llama(name: str):
        from s3d_core.bench.gguf_formats import in_format
        from s3d_core.bench.llama import LlamaCpp, check

        check()
        file = in_format(Path(info.path), name.removeprefix("llama-"), places.compiled_dir().parent / "bench")
        return LlamaCpp(name, file, engine.stop_ids, context, bench_studies.threads(), device.type != "cpu")

    def load_stock():
        return stock_model(Path(info.path), engine.target.dtype, device)

    contenders = assemble(names, engine, draft, load_stock, load_llama)
    # Other programs share the memory, so that its speed changes meanwhile: the fastest of one look a prompt counts.
    bandwidth = 0.0
    with ProgressLine() as line:

        def tell(done: int, name: str) -> None:
            nonlocal bandwidth
            line(f"Prompt {done + 1}: {name}", done / len(prompts))
            if name == contenders[0].name:
                bandwidth = max(bandwidth, read_bandwidth(device))

        measured = measure(contenders, prompts, sampling, tell, device, stop)
    done = len(measured[0].replies)
    if not done:
        return {}
    records = summary(measured, bandwidth)
    print(f"{info.name}, {info.dtype} on {info.device}: {done} prompts, {args.max_tokens} tokens at most; medians")
    print(said(args.choice, info.dtype))
    print(table(records))
    print(f"Memory is read at {bandwidth / 1e9:.0f} GB/s; of bandwidth: what the weights read take of it.")
    whole = bench_studies.where(engine)
    whole |= {"read_bandwidth": bandwidth, "settings": as_dict(draft) | as_dict(sampling), "results": records}
    if any(name.startswith("llama") for name in names):
        from s3d_core.bench.llama import instructions

        whole["llama_cpp"] = instructions()
    return whole


def _finish(args: argparse.Namespace, found: dict[str, Any], is_stopped: bool) -> int:
    """Tell everything that was measured; the exit code."""
    is_empty = not found
    found |= {"command": "s3d " + shlex.join(sys.argv[1:]) if sys.argv[1:] else "s3d bench"}
    found |= {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine(), "versions": versions()}
    if is_stopped:
        found["interrupted"] = True
    text = json.dumps(found, allow_nan=False)
    written = []
    for file, content in ((args.json, lambda: json.dumps(found, indent=2) + "\n"), (args.report, lambda: _page(found))):
        if file and not is_empty:
            try:
                file.write_text(content(), encoding="utf-8")
            except OSError as error:
                raise SettingError(f"{file} cannot be written: {error.strerror or error}.") from error
            written.append(str(file))
    if is_stopped:
        where = f" and in {' and '.join(written)}" if written else ""
        print("Stopped before anything was measured." if is_empty else
              f"Stopped; what was measured until then is above{where}.", file=sys.stderr)  # fmt: skip
    print(text)
    return 130 if is_stopped else 0


def _page(found: dict[str, Any]) -> str:
    from s3d_core.bench.report import page

    return page(found)
