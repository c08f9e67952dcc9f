"""Answers in OpenAI's forms, with what was measured beside them as `s3d`."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from s3d_core.stats import Round, Totals

_REASONS = {"stop": "stop", "length": "length", "context": "length"}


@dataclass
class Reply:
    """One answer as it grows.

    Attributes:
        is_chat: of /v1/chat/completions, else of /v1/completions.
        model: the model's name.
        seed: what its draws depended on.
    """

    is_chat: bool
    model: str
    seed: int
    totals: Totals = field(default_factory=Totals)
    text: str = ""
    prompt_tokens: int = 0

    def __post_init__(self):
        self._id = ("chatcmpl-" if self.is_chat else "cmpl-") + secrets.token_hex(12)
        self._created = int(time.time())

    def add(self, done: Round, waited_ms: float, plain_ms: float | None) -> None:
        """Count a round in.

        Args:
            waited_ms: milliseconds from the answer's turn to the end of this round.
            plain_ms: of one plain decoding step, as far as it is measured.
        """
        if self.totals.rounds == 0:
            self.prompt_tokens = done.context - len(done.ids)
            self.totals.prefill_ms = max(0.0, waited_ms - done.total_ms)
        self.totals.plain_ms = plain_ms
        self.totals.add(done)
        self.text += done.text

    @property
    def finish_reason(self) -> str | None:
        """OpenAI's word for why it ended, or None while it goes on."""
        return _REASONS.get(self.totals.stop_reason or "")

    def usage(self) -> dict[str, int]:
        """OpenAI's count of tokens."""
        written = self.totals.tokens
        total = self.prompt_tokens + written
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": written, "total_tokens": total}

    def figures(self) -> dict[str, Any]:
        """What was measured; null where it is not known."""
        totals = self.totals
        return {
            "tokens_per_second": _rounded(totals.tokens_per_second),
            "plain_tokens_per_second": _rounded(totals.plain_tokens_per_second),
            "speedup": _rounded(totals.speedup),
            "tokens_per_round": _rounded(totals.tokens_per_round),
            "rounds": totals.rounds,
            "drafted": totals.drafted,
            "accepted": totals.accepted,
            "relaxed": totals.relaxed,
            "time_to_first_token_ms": _rounded(totals.time_to_first_token_ms),
            "stop_reason": totals.stop_reason,
            "seed": self.seed,
        }

    def whole(self) -> dict[str, Any]:
        """The whole answer as one object."""
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": self.finish_reason}
        if self.is_chat:
            choice["message"] = {"role": "assistant", "content": self.text, "refusal": None}
        else:
            choice["text"] = self.text
        kind = "chat.completion" if self.is_chat else "text_completion"
        return self._object(kind, [choice]) | {"usage": self.usage(), "s3d": self.figures()}

    def piece(self, text: str, is_first: bool = False) -> dict[str, Any]:
        """A piece of a streamed answer; with its end where it has one."""
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": self.finish_reason}
        if self.is_chat:
            choice["delta"] = ({"role": "assistant"} if is_first else {}) | (
                {"content": text} if text or is_first else {}
            )
        else:
            choice["text"] = text
        return self._object(self._piece_kind, [choice])

    def end(self) -> dict[str, Any]:
        """The piece without text that counts the tokens of a streamed answer."""
        return self._object(self._piece_kind, []) | {"usage": self.usage()}

    @property
    def _piece_kind(self) -> str:
        return "chat.completion.chunk" if self.is_chat else "text_completion"

    def _object(self, kind: str, choices: list[dict]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self.model,
            "system_fingerprint": None,
            "choices": choices,
        }


def event(content: Mapping[str, Any] | str) -> bytes:
    """A server-sent event."""
    return f"data: {content if isinstance(content, str) else dumps(content)}\n\n".encode()


def dumps(content: Mapping[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
