"""Who takes part in a benchmark: our strategies, transformers' own ways of decoding, and llama.cpp.

Each contender continues a prompt and says how many tokens came when, so that all are measured
alike: the speed is that of the tokens after the first pass, the time to the first token is
reported on its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from s3d_core.bench.steady import Part, parts
from s3d_core.bench.traffic import Traffic, parameter_bytes
from s3d_core.engine import Engine
from s3d_core.errors import SettingError
from s3d_core.settings import STRATEGIES, DraftSettings, SamplingSettings

TRANSFORMERS = ("hf", "hf-lookup", "hf-early-exit")
LLAMA = ("llama-q4_1", "llama-q8_0", "llama-bf16")
PEERS = (*TRANSFORMERS, *LLAMA)
NAMES = (*STRATEGIES, *PEERS)
# What a contender can be told of its own: option -> field of the settings and its type.
OWN: dict[str, tuple[str, type]] = {
    "skip": ("skipped", int),
    "draft": ("draft_length", int),
    "tree": ("tree_size", int),
    "least": ("least_probability", float),
}


@dataclass
class Reply:
    """One measured continuation.

    Attributes:
        ids: the tokens written.
        first_ms: request to first tokens; decode_ms: from there to the last token.
        first_tokens: tokens that came with the first pass.
        rounds: verify passes after the prompt was read.
        accepted_per_slot, tried_per_slot: see `stats.Totals`; empty for peers.
        relaxed: tokens that plain decoding would not have chosen.
        bytes_read: of weights in the passes behind the first, draft passes included; 0 where it is not counted.
        peak_bytes: the most memory that the contender had for itself, see `memory`; None where it is not measured.
        draft_ms, verify_ms: of each round behind the first that drafted; empty for peers.
        parts: of all rounds behind the first, see `steady`; empty for peers.
    """

    ids: list[int]
    first_ms: float
    decode_ms: float
    first_tokens: int
    rounds: int
    accepted_per_slot: list[int]
    tried_per_slot: list[int]
    relaxed: int = 0
    bytes_read: int = 0
    peak_bytes: int | None = None
    draft_ms: list[float] = field(default_factory=list)
    verify_ms: list[float] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @property
    def tokens_per_second(self) -> float | None:
        """Decoding speed behind the first pass; None for a reply that ended with it."""
        return 1000 * self.later_tokens / self.decode_ms if self.later_tokens > 0 and self.decode_ms else None

    @property
    def later_tokens(self) -> int:
        """Tokens behind the first pass."""
        return len(self.ids) - self.first_tokens

    @property
    def bytes_per_second(self) -> float | None:
        """Weights read in a second behind the first pass; None where it is not counted."""
        return 1000 * self.bytes_read / self.decode_ms if self.bytes_read and self.decode_ms else None

    @property
    def tokens_per_round(self) -> float:
        """Mean tokens a pass."""
        return len(self.ids) / self.rounds if self.rounds else 0.0


class Contender(Protocol):
    """The seam between the benchmark and what it measures."""

    name: str

    @property
    def held(self) -> int | None:
        """Bytes of memory that it holds by itself now: weights, K/V cache, what it drafts with; None if not known."""

    def reply(self, ids: list[int], sampling: SamplingSettings) -> Reply:
        """Continue a prompt from a cold cache."""


class Ours:
    """One of this project's strategies.

    Args:
        name: None for the strategy's.
    """

    def __init__(self, engine: Engine, draft: DraftSettings, name: str | None = None):
        self.name, self._engine, self._draft = name or draft.strategy, engine, draft
        self._traffic = Traffic(engine)

    @property
    def held(self) -> int:
        memory = self._engine.memory()
        drafts = self._draft.strategy in ("s3d", "auto")
        return memory["weights"] + memory["cache"] + (memory["adapter"] if drafts else 0)

    def reply(self, ids: list[int], sampling: SamplingSettings, cold: bool = True) -> Reply:
        """As `Contender.reply`; what of the prompt is in the cache stays there unless it is to be `cold`."""
        if cold:
            self._engine.cache.rewind(0)
        self._engine.forget_texts()  # else who comes second would draft better for what the first one wrote
        draft_ms: list[float] = []
        verify_ms: list[float] = []
        written: list[int] = []
        timed: list[Part] = []
        passes: list[tuple[float, int]] = []
        tried: list[int] = []
        accepted: list[int] = []
        relaxed = bytes_read = 0
        began = time.perf_counter()
        for done in self._engine.generate(ids, self._draft, sampling):
            written += done.ids
            relaxed += done.relaxed
            passes.append((time.perf_counter(), len(written)))
            if len(passes) > 1:
                bytes_read += self._traffic.of(done)
                timed += parts(self.name, done, 1000 * (passes[-1][0] - passes[-2][0]))
                if done.drafted:
                    draft_ms.append(done.draft_ms)
                    verify_ms.append(done.verify_ms)
            grow = done.depth - len(tried)
            tried += [0] * grow
            accepted += [0] * grow
            for slot in range(done.depth):
                tried[slot] += 1
                accepted[slot] += slot < done.accepted
        reply = reply_of(written, began, passes, accepted, tried, relaxed, bytes_read)
        return replace(reply, draft_ms=draft_ms, verify_ms=verify_ms, parts=timed)


class Transformers:
    """`generate` of the stock model, on its own copy of the weights."""

    def __init__(self, name: str, model, stop_ids: frozenset[int], early_exit: int):
        self.name, self._model, self._stop_ids = name, model, stop_ids
        # What a checkpoint likes to sample with, such as a repetition penalty, would change greedy text too.
        model.generation_config = GenerationConfig()
        self._options: dict = {}
        self._pass_bytes = parameter_bytes(model)
        if name == "hf-lookup":
            self._options = {"prompt_lookup_num_tokens": 4}
        elif name == "hf-early-exit":
            self._options = {"assistant_early_exit": early_exit}

    @property
    def held(self) -> int:
        return self._model.get_memory_footprint()

    def reply(self, ids: list[int], sampling: SamplingSettings) -> Reply:
        if sampling.temperature:
            raise SettingError("The benchmark compares with transformers at temperature 0 only; leave out hf.")
        passes: list[tuple[float, int]] = []

        class Clock(StoppingCriteria):
            def __call__(self, input_ids, scores, **kwargs):
                passes.append((time.perf_counter(), input_ids.shape[1] - len(ids)))
                return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

        prompt = torch.tensor([ids], device=self._model.device)
        began = time.perf_counter()
        with torch.inference_mode():
            out = self._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                max_new_tokens=sampling.max_tokens,
                eos_token_id=sorted(self._stop_ids) or None,
                pad_token_id=min(self._stop_ids, default=0),
                stopping_criteria=StoppingCriteriaList([Clock()]),
                **self._options,
            )
        written = out[0, len(ids) :].tolist()
        # How much of the model an early exit's drafts read is not told.
        counted = 0 if self.name == "hf-early-exit" else (len(passes) - 1) * self._pass_bytes
        return reply_of(written, began, passes, bytes_read=counted)


def reply_of(
    written: list[int],
    began: float,
    passes: list[tuple[float, int]],
    accepted: list[int] | None = None,
    tried: list[int] | None = None,
    relaxed: int = 0,
    bytes_read: int = 0,
) -> Reply:
    """A reply from when it began and (when, tokens by then) of each pass."""
    # Assisted decoding counts candidates before it cuts them, so the last pass ends at what was written.
    first_at, first_tokens = passes[0]
    last_at = passes[-1][0]
    return Reply(
        written,
        1000 * (first_at - began),
        1000 * (last_at - first_at),
        min(first_tokens, len(written)),
        len(passes),
        accepted or [],
        tried or [],
        relaxed,
        bytes_read,
    )


def assemble(
    names: list[str],
    engine: Engine,
    draft: DraftSettings,
    load_peer: Callable[[], object],
    load_llama: Callable[[str], Contender] | None = None,
) -> list[Contender]:
    """The contenders by their names.

    Args:
        draft: settings for our strategies; each takes what concerns it.
        load_peer: loads the stock model for transformers; called at most once.
        load_llama: makes the contender of one of the names `LLAMA`.

    Raises:
        SettingError: a name is unknown, or a strategy cannot run on this model.
    """
    check_names(names)
    contenders: list[Contender] = []
    peer = None
    for name in names:
        strategy, given = _parsed(name)
        if strategy in STRATEGIES:
            if strategy not in engine.strategies:
                raise SettingError("This model has no draft adapter, so s3d cannot run; leave it out of --strategies.")
            settings = replace(draft, strategy=strategy)
            if strategy == "skip":
                # Token by token each draft costs a pass, so few layers can be skipped and little drafted.
                settings = replace(settings, skipped=engine.target.depth // 5, draft_length=2)
            contenders.append(Ours(engine, replace(settings, **given), name))
        elif name in TRANSFORMERS:
            peer = peer or load_peer()
            contenders.append(Transformers(name, peer, engine.stop_ids, engine.target.depth // 2))
        elif load_llama:
            contenders.append(load_llama(name))
    return contenders


def check_names(names: list[str]) -> None:
    """See that all are known, and their settings too.

    Raises:
        SettingError: one is not.
    """
    for name in names:
        strategy, given = _parsed(name)
        if strategy not in NAMES:
            raise SettingError(f"There is no strategy {strategy!r}; choose from {', '.join(NAMES)}.")
        if given and strategy in PEERS:
            raise SettingError(f"{strategy} has no settings here; leave out {name.removeprefix(strategy)!r}.")
        DraftSettings(**given)


def _parsed(name: str) -> tuple[str, dict[str, Any]]:
    """A contender's strategy and the settings of its own, as in `s3d:skip=18:draft=3`.

    Raises:
        SettingError: a setting is not known or not a number.
    """
    strategy, *changes = name.split(":")
    given: dict[str, Any] = {}
    for change in changes:
        option, _, value = change.partition("=")
        if option not in OWN:
            raise SettingError(f"{change!r} is no setting of a strategy; write for example s3d:skip=12:tree=5, "
                               f"of {', '.join(OWN)}.")  # fmt: skip
        field, kind = OWN[option]
        try:
            given[field] = kind(value)
        except ValueError:
            raise SettingError(f"{option} in {name!r} needs a number.") from None
    return strategy, given
