"""Short measurements around a training: how long it would take, and what it brings. torch is imported when called."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3d_core.engine import Engine
    from s3d_core.load import Loaded
    from s3d_core.train.recipe import Recipe

ESTIMATE = "estimate.json"
_PROMPT, _REPLY = 40, 200
_STEPS = 2
# A token id and its comma in the corpus file, and the prompts beside the replies.
_CORPUS_BYTES = 9


@dataclass(frozen=True)
class Estimate:
    """What a training would take here.

    Attributes:
        tokens_per_second: the model writes of its corpus.
        step_seconds: one step of training.
        measuring_seconds: one measurement on held-out chats.
        disk_bytes: at the most, beside the corpus.
    """

    tokens_per_second: float
    step_seconds: float
    measuring_seconds: float
    disk_bytes: int

    def seconds(self, corpus_tokens: int, steps: int, measure_every: int) -> float:
        """The whole training; the last measurements and the calibration count as eight."""
        measured = steps // measure_every + 8
        return corpus_tokens / self.tokens_per_second + steps * self.step_seconds + measured * self.measuring_seconds

    def disk(self, corpus_tokens: int) -> int:
        """Bytes on the disk at the most."""
        return self.disk_bytes + _CORPUS_BYTES * corpus_tokens


def estimate(loaded: "Loaded", recipe: "Recipe") -> Estimate:
    """Measure some tokens of writing and some steps of training, which takes seconds to minutes.

    Raises:
        TrainingError: the model cannot write chats.
    """
    from s3d_core.train.corpus import prompt_ids
    from s3d_core.train.trainer import Trainer
    from s3d_core.train.writer import Job, Writer

    header = prompt_ids(loaded.tokenizer, "Why does bread rise?")
    rows, few = 64, 6
    writer = Writer(loaded.target, set(), rows, len(header) + few + 1, 0)
    began = time.perf_counter()
    jobs = list(writer.write(Job(list(header), 0.8, few, "estimate") for _ in range(rows)))
    rate = sum(len(job.reply) for job in jobs) / (time.perf_counter() - began)
    vocabulary = loaded.target.head.shape[0]
    chat = {"ids": [7 * i % vocabulary for i in range(_PROMPT + _REPLY)], "start": _PROMPT}
    with tempfile.TemporaryDirectory() as place:
        settings = replace(recipe.training, steps=_STEPS + 1)
        trainer = Trainer(loaded.target, [chat] * 8, settings, Path(place))
        seconds: list[float] = []
        trainer.run(lambda step: seconds.append(step.seconds))
    numbers = sum(p.numel() for p in trainer.parameters.values())
    # A checkpoint holds three float32 numbers for each, and is written beside the one before.
    disk = numbers * (2 * 3 * 4 + 2 * 2)
    # The first step pays for memory and threads.
    step = min(seconds[1:])
    return Estimate(rate, step, _measuring_seconds(loaded, header), disk)


def _measuring_seconds(loaded: "Loaded", prompt: list[int]) -> float:
    """Time of a measurement: replies of 64 tokens, two or so a round of a full pass and a shorter one."""
    from s3d_core.decode import prefill
    from s3d_core.train.recipe import MEASURED

    cache = loaded.target.new_cache()
    prefill(loaded.target, cache, prompt)
    seconds = []
    for more in range(1, 5):
        began = time.perf_counter()
        prefill(loaded.target, cache, prompt + prompt[:more])  # one row more
        seconds.append(time.perf_counter() - began)
    return MEASURED * 64 / 2 * 1.7 * min(seconds)


def read_estimate(folder: Path) -> Estimate | None:
    """The estimate that was kept in a folder."""
    try:
        return Estimate(**json.loads((folder / ESTIMATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep_estimate(folder: Path, found: Estimate) -> None:
    """Keep an estimate in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / (ESTIMATE + ".part")
    staged.write_text(json.dumps(asdict(found)), encoding="utf-8")
    staged.replace(folder / ESTIMATE)


def speed_over_plain(engine: "Engine", prompts: Sequence[str], max_tokens: int = 64) -> float:
    """How much faster the engine writes with its own settings than plainly, over greedy replies to some prompts."""
    from s3d_core.settings import DraftSettings, SamplingSettings
    from s3d_core.stats import Totals

    texts = [engine.chat_ids([{"role": "user", "content": prompt}]) for prompt in prompts]
    settings = {"plain": DraftSettings("plain"), "drafted": engine.info.defaults}
    sums = {name: Totals() for name in settings}
    # A short reply that is not counted pays for memory and threads.
    for draft in settings.values():
        for _ in engine.generate(list(texts[0]), draft, SamplingSettings(max_tokens=8)):
            pass
    for ids in texts:
        for name, draft in settings.items():
            sums[name].add_all(engine.generate(list(ids), draft, SamplingSettings(max_tokens=max_tokens)))
    return sums["drafted"].tokens_per_second / sums["plain"].tokens_per_second
