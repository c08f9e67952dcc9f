"""The decoder as one object: load a model, turn chats into tokens, generate rounds.

engine = Engine.load(path)
for done in engine.generate(engine.chat_ids(messages), DraftSettings(), SamplingSettings()):
    print(done.text, end="")
"""

import gc
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from s3d_core import graphs, pages
from s3d_core import load as loading
from s3d_core.adapter import CARD, Adapter, read_card
from s3d_core.auto import Auto
from s3d_core.chat_template import chat_text
from s3d_core.decode import Limits, prefill, rounds
from s3d_core.errors import AdapterError, ModelError, PromptError, SettingError
from s3d_core.gguf import Progress
from s3d_core.graphs import Pool
from s3d_core.kernels import jit
from s3d_core.kernels.layout import Kind
from s3d_core.quantised import FORMATS
from s3d_core.s3d import S3D
from s3d_core.sampling import Sampler
from s3d_core.settings import MAX_DRAFT_LENGTH, MAX_TREE_SIZE, DraftSettings, SamplingSettings
from s3d_core.stats import USUAL_ROWS, ModelInfo, Round
from s3d_core.strategies import strategies
from s3d_core.target import Target
from s3d_core.text import TextStream

ADAPTERS = Path(__file__).resolve().parent.parent / "resources" / "adapters"
_PLAIN_STEPS = 8
# So many tokens of a reply are decoded again to find out how its continuation begins.
_TEXT_BEFORE = 8


# Precisions that are a kind of packed weights.
_GROUPED: dict[str, Kind] = {"int8": "int8", "int4": "int4"}


class Engine:
    """One loaded model with its K/V cache and drafting strategies. Not for use by two threads at once."""

    def __init__(
        self,
        loaded: loading.Loaded,
        path: Path,
        adapter: Adapter | None,
        notice: str | None = None,
        context: int | None = None,
    ):
        self.target: Target = loaded.target
        self.tokenizer = loaded.tokenizer
        self.stop_ids = loaded.stop_ids
        self.adapter = adapter
        self.context_limit = min(self.target.context_limit, context or self.target.context_limit)
        # A verify pass writes its candidates behind the last token.
        self.cache = self.target.new_cache(self.context_limit + MAX_TREE_SIZE)
        self.strategies = strategies(self.target, adapter)
        self._plain: deque[float] = deque(maxlen=16)
        depth, defaults = self.target.depth, self._defaults()
        if self._s3d:
            self._s3d.prepare(defaults.skipped)
        self.info = ModelInfo(
            name=loaded.name,
            path=str(path),
            architecture=type(self.target.config).__name__.removesuffix("Config"),
            depth=depth,
            most_skipped=self.target.most_skipped(),
            most_drafted=MAX_DRAFT_LENGTH,
            context_limit=self.context_limit,
            device=str(self.target.device),
            dtype=self.target.precision,
            weight_bytes=self.target.bytes,
            adapter_bytes=self._adapter_bytes(),
            defaults=defaults,
            notice=notice,
        )

    @property
    def _s3d(self) -> S3D | None:
        found = self.strategies.get("s3d")
        return found if isinstance(found, S3D) else None

    def _adapter_bytes(self) -> int:
        return sum(self.drafting_memory().values())

    def drafting_memory(self) -> dict[str, int]:
        """Bytes that strategy s3d holds beyond the model now, by what they are for; empty without an adapter."""
        return self._s3d.memory if self._s3d else {}

    def _defaults(self) -> DraftSettings:
        skipped = round(0.4 * self.target.depth)
        if self.adapter is None:
            return DraftSettings(strategy="auto", skipped=skipped)
        best = {"strategy": "auto", "skipped": skipped, "draft_length": MAX_DRAFT_LENGTH} | self.adapter.card.get(
            "defaults", {}
        )
        if self.target.is_packed and jit.lanes_at_once() != jit.LANES:
            # With AVX2 six rows are multiplied at once, which takes little longer than one; further rows cost
            # nothing while memory takes longer than they do, as it does with wide weights.
            most = 11 if self.target.dtype == torch.float32 else 5
            best["tree_size"] = min(most, best.get("tree_size", most))
        auto = self.strategies["auto"]
        if self._s3d and self._s3d.has_copies and isinstance(auto, Auto):
            (best["skipped"],) = auto.policy.gains
        return DraftSettings(**best)

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        dtype: str = "auto",
        device: str = "auto",
        adapter: Path | str | None = "auto",
        adapters: Sequence[Path] = (),
        context: int | None = None,
        compiled: Path | None = None,
        recorder: Callable[[], Pool] | Literal["auto"] | None = "auto",
        progress: Progress | None = None,
    ) -> "Engine":
        """Load a safetensors folder or a GGUF file and measure plain decoding on it.

        Args:
            adapter: a folder, None for none, or "auto": one made for these weights, where there is one.
            adapters: folders of adapter folders, looked through before the shipped ones.
            context: most tokens of a chat; None for as many as the model was made for.
            compiled: a folder to keep compiled loops in, so that the next load has them ready.
            recorder: makes what passes are recorded in (see `graphs`), None for no recordings, or "auto": CUDA graphs
                on a GPU, nothing elsewhere. Recorded passes are not compiled.
            progress: called with (phase, 0..1); an exception it raises ends the loading.

        Raises:
            ModelError, AdapterError: with a sentence for the user.
        """
        progress = progress or (lambda phase, share: None)
        place = loading.pick_device(device)
        new_pool = graphs.pools(place) if recorder == "auto" else recorder
        # Processors have products of their own for groups of few bits.
        kind = _GROUPED.get(dtype) if place.type == "cpu" and new_pool is None else None
        if kind and not jit.dots_int8():
            raise ModelError("Weights of eight or four bits need a processor with AVX2, on Linux; choose bfloat16.")
        few_bits = dtype if dtype in FORMATS and not kind else None
        if few_bits:
            dtype = "auto" if place.type == "cuda" else "float32"
        precision = loading.pick_dtype("bf16" if kind else dtype, place)
        loaded = loading.load(Path(path), precision, place, progress, few_bits)
        jit.keep_in(compiled)
        if new_pool is not None:
            loaded.target.record(new_pool)
        elif few_bits is None and not loaded.target.pack(kind) and kind:
            raise ModelError("This model's matrices cannot be cut into groups that share a scale; choose bfloat16.")
        pages.trim()  # what packing freed, so that drafting does not come on top of it
        progress("Loading the draft adapter", 0.85)
        found, notice = None, None
        if adapter == "auto":
            found, notice = find_adapter(loaded.target, (*adapters, ADAPTERS))
        elif adapter is not None:
            found = Adapter.load(Path(adapter), loaded.target)
        engine = cls(loaded, Path(path), found, notice, context)
        progress("Measuring plain decoding", 0.9)
        engine.measure_plain()
        engine.measure_auto()
        pages.trim()  # what measuring freed
        progress("Ready", 1.0)
        return engine

    @property
    def plain_ms(self) -> float | None:
        """Median milliseconds of the plain decoding steps measured last."""
        return statistics.median(self._plain) if self._plain else None

    def measure_plain(self) -> float:
        """Time plain decoding steps here and now, behind whatever the cache holds.

        The slots behind the committed tokens are scratch, so the cache is left as it was.

        Returns:
            The median step in milliseconds.
        """
        ids = self.cache.ids or [0]
        length = len(self.cache)
        for step in range(_PLAIN_STEPS + 2):
            began = time.perf_counter()
            self._plain_step(ids[-1])
            if step >= 2:  # the first steps pay for memory and threads
                self._plain.append(1000 * (time.perf_counter() - began))
        self.cache.rewind(length)
        return statistics.median(self._plain)

    def measure_auto(self) -> None:
        """Time the passes that Auto chooses from, for at most a few seconds.

        What a row costs then decides what is left out of trees by default.
        """
        auto = self.strategies["auto"]
        if isinstance(auto, Auto):
            auto.measure(self.cache)
            passes, defaults = auto.policy.costs.passes, self.info.defaults
            if self._s3d and self.target.is_packed:
                least = auto.policy.usual_least(defaults.skipped, defaults.tree_size)
                defaults = replace(defaults, least_probability=least)
            self.info = replace(self.info, verify_ratio=passes[USUAL_ROWS] / passes[1], defaults=defaults)

    @torch.inference_mode()
    def _plain_step(self, token: int) -> int:
        one = torch.ones(1, 1, dtype=torch.bool, device=self.target.device)
        at = len(self.cache)
        position = torch.tensor([at], device=self.target.device)
        row = torch.tensor([token], device=self.target.device)
        last = self.target.rope_switch if self.cache.long_rope else at
        return int(self.target.step(row, position, max(at, last or 0), self.cache, one).argmax())

    def chat_ids(self, messages: list[dict], *, continue_last: bool = False) -> list[int]:
        """A chat as token ids by the model's own template, ready for the reply.

        Args:
            continue_last: the last message is a reply that is to be gone on with; nothing is put behind its text.

        Raises:
            PromptError: there is nothing to answer, or the template refuses the messages.
        """
        if not messages or not str(messages[-1].get("content", "")).strip():
            raise PromptError("The prompt is empty; type a question first.")
        text = chat_text(self.tokenizer, messages, continue_last=continue_last)
        try:
            return self.tokenizer(text, add_special_tokens=False)["input_ids"]
        except UnicodeEncodeError as error:
            raise PromptError("The prompt holds half a letter (a lone surrogate); type it anew.") from error

    def count(self, messages: list[dict]) -> int:
        """Tokens of a chat by the model's own template, those that begin the reply included.

        Raises:
            PromptError: as `chat_ids`.
        """
        return len(self.chat_ids(messages))

    def count_text(self, text: str) -> int:
        """Tokens of a text alone."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def generate(
        self,
        ids: list[int],
        draft: DraftSettings | Callable[[], DraftSettings],
        sampling: SamplingSettings,
        *,
        cancel: Callable[[], bool] | None = None,
        on_prefill: Callable[[int, int], None] | None = None,
        probe_every: int = 0,
        context: int | None = None,
        within_text: bool = False,
    ) -> Iterator[Round]:
        """Continue `ids`, one `Round` at a time; the last one has a stop reason.

        Args:
            draft: settings, or a function read at the start of every round.
            cancel: asked between prefill chunks and before every round.
            on_prefill: called with (tokens read, tokens to read).
            probe_every: every so many rounds one goes without drafts and refreshes `plain_ms`; the
                speed-up shown is then one under the same conditions. 0 for none.
            context: most tokens of prompt and reply together, where that shall be less than the model can take.
            within_text: `ids` end in the middle of a text, so that a space may come first.

        Raises:
            PromptError: the prompt is empty or longer than the context.
            SettingError: a setting does not fit this model.
        """
        if not ids:
            raise PromptError("The prompt is empty; type a question first.")
        limit = min(self.context_limit, context or self.context_limit)
        if len(ids) >= limit:
            whose = "this model's context" if limit == self.context_limit else "the context as it is set"
            raise PromptError(
                f"The prompt is {len(ids):,} tokens long, but {whose} holds {limit:,}; shorten it or start a new chat."
            )
        read = draft if callable(draft) else lambda: draft

        def checked() -> DraftSettings:
            settings = read()
            if settings.strategy not in self.strategies:
                raise SettingError(
                    "This model has no draft adapter, so strategy s3d cannot run; "
                    "choose lookup or skip, or train one with `s3d train`."
                )
            if settings.strategy in ("skip", "s3d"):
                self.target.kept_layers(settings.skipped)
            return settings

        checked()
        text = TextStream(self.tokenizer, sampling.stop, ids[-_TEXT_BEFORE:] if within_text else ())
        return self._generate(list(ids), checked, sampling, text, limit, cancel, on_prefill, probe_every)

    def _generate(self, ids, read, sampling, text, limit, cancel, on_prefill, probe_every) -> Iterator[Round]:
        if not prefill(self.target, self.cache, ids, cancel, on_prefill):
            yield Round((), (), 0, 0, 0, 0, 0.0, 0.0, 0.0, len(ids), read(), "cancelled")
            return
        limits = Limits(self.stop_ids, limit)
        sampler = Sampler(sampling)
        for done in rounds(
            self.target, self.cache, ids, self.strategies, read, sampler, text, limits, cancel, probe_every
        ):
            if done.drafted == 0 and len(done.ids) == 1:
                self._plain.append(done.total_ms)  # a plain round is a fresh measurement
            yield done

    def forget_texts(self) -> None:
        """Draft the next reply as if no text had been written before: what was kept of others would help."""
        if self._s3d:
            self._s3d.head.forget()

    def memory(self) -> dict[str, int]:
        """Bytes held: weights, K/V cache, and what drafting needs beside them."""
        return {
            "weights": self.target.bytes,
            "cache": self.cache.bytes,
            "adapter": self._adapter_bytes(),
        }

    def close(self) -> None:
        """Give the memory back; the engine must not be used afterwards."""
        device = self.target.device
        for name in ("strategies", "cache", "adapter", "target", "tokenizer"):
            setattr(self, name, None)
        gc.collect()
        pages.trim()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def find_adapter(target: Target, places: Sequence[Path]) -> tuple[Adapter | None, str | None]:
    """The first adapter made for these weights, and a notice where one of them is damaged."""
    fingerprint, notice = target.fingerprint(), None
    for place in places:
        # A folder without a card is that of a training under way.
        for folder in sorted(card.parent for card in place.glob(f"*/{CARD}")):
            try:
                if read_card(folder).get("fingerprint") == fingerprint:
                    return Adapter.load(folder, target), notice
            except AdapterError as error:
                notice = str(error)
    return None, notice
