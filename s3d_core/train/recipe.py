"""The whole way from a model to an adapter: write a corpus, train, calibrate, measure on held-out chats, save.

Everything lives in one folder, so an interrupted run goes on where it was: `corpus.jsonl`,
`checkpoint/`, and at the end `adapter.safetensors` with `adapter.json`.
"""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import torch

from s3d_core.adapter import Adapter
from s3d_core.decode import Limits, prefill, rounds
from s3d_core.errors import TrainingError
from s3d_core.load import Loaded
from s3d_core.prompts import read_prompts
from s3d_core.recall import Recall
from s3d_core.s3d import S3D
from s3d_core.sampling import Sampler
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings, SamplingSettings
from s3d_core.stats import Totals
from s3d_core.strategies import strategies
from s3d_core.text import TextStream
from s3d_core.train.calibrate import fit, gather
from s3d_core.train.corpus import write_chats
from s3d_core.train.trainer import Step, Trainer, TrainSettings

# Chats that are not trained on: some to measure on, some to calibrate on.
MEASURED, CALIBRATED = 12, 12
HELD_OUT = MEASURED + CALIBRATED
# Those of the corpus.
TEMPERATURES = (0.0, 0.8)


@dataclass(frozen=True)
class Recipe:
    """What is trained on and for how long.

    Attributes:
        prompts: a JSON-lines file with `turns`, or None: the model then writes every chat itself.
        self_written: share of chats whose user turn the model writes, beside given prompts.
        corpus_tokens: reply tokens to write.
        training: see `TrainSettings`.
        measure_every: steps between two measurements on held-out chats.
        keep_bytes: memory for what the frozen model said of the chats, see `Trainer`.
    """

    prompts: Path | None = None
    self_written: float = 0.2
    corpus_tokens: int = 200_000
    training: TrainSettings = field(default_factory=TrainSettings)
    measure_every: int = 200
    keep_bytes: int = 0


@dataclass(frozen=True)
class Progress:
    """For a progress bar: what is going on, how far, and what was measured last.

    Attributes:
        phase: "corpus", "training", or "finishing", after which nothing more is told.
        done, total: tokens or steps.
        loss: of the last step, or None.
        tokens_per_round: measured on held-out chats just now, or None.
    """

    phase: str
    done: int
    total: int
    loss: float | None = None
    tokens_per_round: float | None = None


def read_corpus(path: Path) -> list[dict]:
    """The chats written so far; a last line cut off by an interruption is left out.

    Raises:
        TrainingError: another line is damaged.
    """
    chats: list[dict] = []
    if not path.exists():
        return chats
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            chats.append(json.loads(line))
        except ValueError as error:
            if number == len(lines):
                break
            raise TrainingError(f"{path}, line {number} is damaged; delete the file to write a new corpus.") from error
    return chats


def grow_corpus(loaded: Loaded, recipe: Recipe, path: Path, report: Callable[[Progress], bool | None]) -> list[dict]:
    """Write chats until the corpus holds `recipe.corpus_tokens` reply tokens, and return them all."""
    chats = read_corpus(path)
    held = sum(len(c["ids"]) - c["start"] for c in chats)
    if held < recipe.corpus_tokens:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(path.name + ".part")
        whole.write_text("".join(json.dumps(c) + "\n" for c in chats), encoding="utf-8")
        whole.replace(path)
        given = [prompt.turns[0] for prompt in read_prompts(recipe.prompts)] if recipe.prompts else []
        more = write_chats(
            loaded.target,
            loaded.tokenizer,
            set(loaded.stop_ids),
            given,
            self_written=recipe.self_written,
            # Another seed than the run before, so that a resumed corpus does not begin again.
            seed=recipe.training.seed + len(chats),
        )
        with path.open("a", encoding="utf-8") as file:
            for chat in more:
                file.write(json.dumps(chat) + "\n")
                file.flush()
                chats.append(chat)
                held += len(chat["ids"]) - chat["start"]
                report(Progress("corpus", min(held, recipe.corpus_tokens), recipe.corpus_tokens))
                if held >= recipe.corpus_tokens:
                    break
    return chats


def tokens_per_round(
    loaded: Loaded, adapter: Adapter, chats: list[dict], draft: DraftSettings, max_tokens: int = 64
) -> float:
    """Tokens per round by real decoding: greedy replies to the prompts of `chats`."""
    totals = Totals()
    target = loaded.target
    known = strategies(target, adapter.fit(target))
    limits = Limits(loaded.stop_ids, target.context_limit)
    for chat in chats:
        ids, cache = chat["ids"][: chat["start"]], target.new_cache()
        prefill(target, cache, ids)
        sampler = Sampler(SamplingSettings(max_tokens=max_tokens))
        totals.add_all(rounds(target, cache, ids, known, lambda: draft, sampler, TextStream(loaded.tokenizer), limits))
    return totals.tokens_per_round


def calibration(loaded: Loaded, adapter: Adapter, chats: list[dict], draft: DraftSettings) -> torch.Tensor:
    """The adapter's calibration, from replies to the prompts of `chats`."""
    target = loaded.target
    strategy = S3D(target, adapter.fit(target), Recall())
    prompts = [chat["ids"][: chat["start"]] for chat in chats]
    limits = Limits(loaded.stop_ids, target.context_limit)
    found = gather(target, strategy, loaded.tokenizer, prompts, limits, draft, TEMPERATURES, 96)
    return torch.from_numpy(fit(found, adapter.slots))


def train(
    loaded: Loaded, recipe: Recipe, folder: Path, report: Callable[[Progress], bool | None], command: str = ""
) -> Adapter:
    """Make an adapter for a model, or go on making it.

    Args:
        folder: everything is kept here; the adapter is saved here at the end.
        report: called after every chat and step; returning True after a step ends the run with a
            checkpoint (the adapter as it then is gets saved as well). An exception it raises ends
            it at once; what was written stays.
        command: how the run was asked for, kept in the adapter's card.

    Raises:
        TrainingError: with a sentence for the user; the last checkpoint stays whole.
    """
    began = time.perf_counter()
    chats = grow_corpus(loaded, recipe, folder / "corpus.jsonl", report)
    if len(chats) <= HELD_OUT:
        raise TrainingError(
            f"The corpus holds {len(chats)} chats, of which {HELD_OUT} are kept for measuring and calibrating; "
            "write more with --corpus-tokens."
        )
    measured_on, calibrated_on, chats = chats[:MEASURED], chats[MEASURED:HELD_OUT], chats[HELD_OUT:]
    settings = recipe.training
    trainer = Trainer(loaded.target, chats, settings, folder / "checkpoint", keep_bytes=recipe.keep_bytes)
    middle = round((settings.least_skipped + settings.most_skipped) / 2)
    # Behind the slots a draft goes on where the text repeats itself.
    draft = DraftSettings("s3d", skipped=middle, draft_length=MAX_DRAFT_LENGTH)
    measured: dict[int, float] = {}

    def after(step: Step) -> bool | None:
        value = None
        if step.number % recipe.measure_every == 0 or step.number == settings.steps:
            trainer.save()
            value = measured[step.number] = tokens_per_round(loaded, trainer.adapter, measured_on, draft)
        return report(Progress("training", step.number, settings.steps, step.loss, value))

    trainer.run(after)
    trainer.save()
    report(Progress("finishing", trainer.step, settings.steps))
    adapter = trainer.adapter
    adapter.calibration = calibration(loaded, adapter, calibrated_on, draft)
    accepted = accepted_by_skipped(loaded, adapter, measured_on, settings)
    adapter.card = card(loaded, recipe, trainer, accepted, draft, command, time.perf_counter() - began)
    adapter.save(folder)
    return adapter


def accepted_by_skipped(
    loaded: Loaded, adapter: Adapter, chats: list[dict], settings: TrainSettings
) -> dict[int, float]:
    """Drafted tokens accepted a round by skipped layers, over the range that was trained: what Auto chooses by."""
    low, high = settings.least_skipped, settings.most_skipped
    counts = sorted({round(low + (high - low) * part / 4) for part in range(5)})
    drafts = [DraftSettings("s3d", skipped=count, draft_length=MAX_DRAFT_LENGTH) for count in counts]
    return {draft.skipped: tokens_per_round(loaded, adapter, chats, draft) - 1 for draft in drafts}


def card(loaded, recipe, trainer, accepted, draft, command, seconds) -> dict:
    """What `adapter.json` says of how the adapter was made."""
    chats = trainer.chats
    return {
        "base_model": loaded.name,
        "fingerprint": loaded.target.fingerprint(),
        "defaults": {"skipped": draft.skipped, "draft_length": draft.draft_length, "tree_size": draft.tree_size},
        "accepted_by_skipped": {str(skipped): round(tokens, 3) for skipped, tokens in accepted.items()},
        "training": {
            "command": command,
            "date": date.today().isoformat(),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {loaded.target.device}",
            "seconds_of_last_run": round(seconds),
            "steps_done": trainer.step,
            "settings": asdict(trainer.settings),
            "corpus": {
                "chats": len(chats),
                "reply_tokens": sum(len(c["ids"]) - c["start"] for c in chats),
                "self_written_chats": sum(c.get("from") == "self" for c in chats),
                "given_prompts": recipe.prompts.name if recipe.prompts else None,
            },
            "held_out_tokens_per_round": round(1 + accepted[draft.skipped], 3),
        },
    }
