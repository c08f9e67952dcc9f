"""`s3d bench`: drafting strategies, transformers and llama.cpp side by side on the same prompts.

The last line on stdout is everything measured, as JSON.
"""

import argparse
import json
from pathlib import Path

from app.commands import bench_studies, options
from app.models import places
from app.models.precision import said
from app.terminal import ProgressLine
from s3d_core.errors import PromptError, SettingError
from s3d_core.prompts import read_prompts
from s3d_core.settings import SamplingSettings, as_dict

PROMPTS = Path(__file__).resolve().parent.parent.parent / "resources" / "prompts" / "bench.jsonl"


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure drafting strategies side by side",
        description="Measure strategies in turn on the same prompts: medians, ratios and their spread.",
    )
    options.add_model_options(parser)
    options.add_draft_options(parser, single=False)
    parser.add_argument("--strategies", default="plain,lookup,skip,s3d,hf", metavar="A,B,...",
                        help="of plain, lookup, skip, s3d, auto, hf, hf-lookup, hf-early-exit")  # fmt: skip
    parser.add_argument("--prompts", type=Path, default=PROMPTS, metavar="FILE", help="JSON lines with turns")
    parser.add_argument("--limit", type=int, metavar="N", help="first N prompts")
    parser.add_argument("--max-tokens", type=int, default=128, metavar="N", help="tokens per reply (128)")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="X", help="0 (greedy)")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    bench_studies.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure; returns the exit code."""
    sampling = SamplingSettings(temperature=args.temperature, seed=args.seed, max_tokens=args.max_tokens)
    if args.limit is not None and args.limit < 1:
        raise PromptError("--limit must be at least 1.")
    rows = read_prompts(args.prompts)[: args.limit]
    names = list(dict.fromkeys(name.strip() for name in args.strategies.split(",") if name.strip()))
    if not names:
        raise SettingError("--strategies is empty; name at least one, for example plain,s3d.")
    if args.json and not args.json.absolute().parent.is_dir():
        raise SettingError(f"The folder of {args.json} does not exist; make it first.")
    study = bench_studies.chosen(args)
    engine = options.load_engine(args)
    if study:
        return study(args, engine, rows, sampling)
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
        return LlamaCpp(name, file, engine.stop_ids, context, _threads(), device.type != "cpu")

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

        measured = measure(contenders, prompts, sampling, tell)
    records = summary(measured, bandwidth)
    print(
        f"{info.name}, {info.dtype} on {info.device}: {len(prompts)} prompts, {args.max_tokens} tokens at most; medians"
    )
    print(said(args.choice, info.dtype))
    print(table(records))
    print(f"Memory is read at {bandwidth / 1e9:.0f} GB/s; of bandwidth: what the weights read take of it.")
    whole = {"model": info.name, "dtype": info.dtype, "device": info.device, "threads": _threads()}
    whole |= {"read_bandwidth": bandwidth, "settings": as_dict(draft) | as_dict(sampling), "results": records}
    if any(name.startswith("llama") for name in names):
        from s3d_core.bench.llama import instructions

        whole["llama_cpp"] = instructions()
    if args.json:
        try:
            args.json.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SettingError(f"{args.json} cannot be written: {error.strerror or error}.") from error
    print(json.dumps(whole))
    return 0


def _threads() -> int:
    import torch

    return torch.get_num_threads()
