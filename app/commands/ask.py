"""`s3d ask`: answers one question."""

import argparse
import json
import sys

from app.commands import answer, options
from s3d_core.errors import PromptError
from s3d_core.settings import DraftSettings, as_dict


def add_parser(subparsers) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "ask",
        help="answer one question",
        description="Answer one question: the text on stdout, then what was measured on stderr.",
    )
    parser.add_argument("prompt", help="the question; - reads it from stdin")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the text")
    options.add_model_options(parser)
    options.add_draft_options(parser)
    options.add_sampling_options(parser)


def run(args: argparse.Namespace) -> int:
    """Answer; returns the exit code."""
    messages = [{"role": "system", "content": args.system}] if args.system else []
    messages.append({"role": "user", "content": _prompt(args.prompt)})
    sampling = options.sampling_settings(args)
    options.draft_settings(args, DraftSettings())  # what is out of bounds need not wait for the model
    engine = options.load_engine(args)
    if engine.info.notice:
        print(engine.info.notice, file=sys.stderr)
    draft = options.draft_settings(args, engine.info.defaults)
    ids = engine.chat_ids(messages)
    done = answer.generate(engine, ids, draft, sampling, (lambda text: None) if args.json else answer.write_out)
    if args.json:
        json.dump(_report(engine.info, len(ids), done, as_dict(draft) | as_dict(sampling)), sys.stdout)
        print()
    else:
        print("", flush=True)
        print(answer.status_line(done.totals), file=sys.stderr)
    return 130 if done.was_stopped else 0


def _prompt(words: str) -> str:
    if words == "-":
        words = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    if not words.strip():
        raise PromptError("The prompt is empty; type a question first.")
    return words


def _report(info, prompt_tokens: int, done: answer.Answer, settings: dict) -> dict:
    totals = done.totals

    def rounded(number: float | None) -> float | None:
        return None if number is None else round(number, 3)

    return {
        "text": done.text,
        "token_ids": done.ids,
        "prompt_tokens": prompt_tokens,
        "completion_tokens": totals.tokens,
        "stop_reason": totals.stop_reason,
        "time_to_first_token_ms": rounded(totals.time_to_first_token_ms),
        "tokens_per_second": rounded(totals.tokens_per_second),
        "plain_tokens_per_second": rounded(totals.plain_tokens_per_second),
        "speedup": rounded(totals.speedup),
        "rounds": totals.rounds,
        "tokens_per_round": rounded(totals.tokens_per_round),
        "draft_n": totals.drafted,
        "draft_n_accepted": totals.accepted,
        "accepted_per_slot": totals.accepted_per_slot,
        "model": info.name,
        "device": info.device,
        "dtype": info.dtype,
        "settings": settings,
    }
