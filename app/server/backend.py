"""Who writes the answers: one seam, behind which is an engine of the server's own or the window's."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from app.diagnostics.private import private
from s3d_core.errors import PromptError
from s3d_core.settings import PROBE_EVERY, DraftSettings, SamplingSettings
from s3d_core.stats import ModelInfo, Round
from s3d_core.tune import Guard

Prompt = list[dict] | str
"""A chat's messages, or a text to be continued."""


class Backend(Protocol):
    """What the server asks. It calls `generate` from one thread and never twice at once."""

    @property
    def info(self) -> ModelInfo | None:
        """The model in memory, or None."""

    @property
    def plain_ms(self) -> float | None:
        """Milliseconds of one plain decoding step, or None before it is measured."""

    def generate(
        self, prompt: Prompt, sampling: SamplingSettings, draft: Mapping[str, Any], cancel: Callable[[], bool]
    ) -> Iterator[Round]:
        """Write an answer, round by round; the last one has a stop reason.

        Args:
            draft: fields of `DraftSettings` that the request asks for in the place of the usual ones.
            cancel: asked before every round.

        Raises:
            S3DError: the prompt or a setting cannot be used, or there is no model.
        """


class EngineBackend:
    """Serves an engine that nobody else uses, drafting with `draft`."""

    def __init__(self, engine, draft: DraftSettings):
        self._engine, self._draft = engine, draft

    @property
    def info(self) -> ModelInfo:
        """The engine's model."""
        return self._engine.info

    @property
    def plain_ms(self) -> float | None:
        """As the engine measured it last."""
        return self._engine.plain_ms

    def generate(
        self, prompt: Prompt, sampling: SamplingSettings, draft: Mapping[str, Any], cancel: Callable[[], bool]
    ) -> Iterator[Round]:
        """See `Backend`."""
        settings = replace(self._draft, **draft)
        return answer(self._engine, prompt, sampling, lambda: settings, cancel)


def answer(
    engine, prompt: Prompt, sampling: SamplingSettings, draft: Callable[[], DraftSettings], cancel: Callable[[], bool]
) -> Iterator[Round]:
    """An engine's answer to a prompt; no word of the two gets into the log.

    Where drafting turns out slower than plain decoding, it is left off.
    """
    for said in [prompt] if isinstance(prompt, str) else [message["content"] for message in prompt]:
        private.remember(said)
    ids = engine.chat_ids(prompt) if isinstance(prompt, list) else _text_ids(engine, prompt)
    guard = Guard()
    rounds = engine.generate(ids, lambda: guard.settings(draft()), sampling, cancel=cancel, probe_every=PROBE_EVERY)
    for done in rounds:
        guard.add(done, engine.plain_ms)
        private.write_on(done.text)
        yield done


def _text_ids(engine, text: str) -> list[int]:
    if not text:
        raise PromptError("The prompt is empty; write the beginning of a text first.")
    return engine.tokenizer(text)["input_ids"]
