"""A backend of the server that says what a test tells it to, in real `Round`s."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from s3d_core.settings import DraftSettings
from s3d_core.stats import ModelInfo, Round

KEY = "a-key-for-tests"
INFO = ModelInfo(
    name="Scripted-1M",
    path="/models/scripted",
    architecture="Llama",
    depth=6,
    most_skipped=4,
    most_drafted=8,
    context_limit=1000,
    device="cpu",
    dtype="float32",
    weight_bytes=1,
    adapter_bytes=0,
    defaults=DraftSettings(),
)


@dataclass
class ScriptedBackend:
    """Attributes:
    words: of every answer, three to a round. pause: seconds before each round.
    error: raised in the place of the round with the number `error_at`.
    asked: (prompt, sampling, draft) of each answer. rounds: how many were written, of all answers together.
    begun: set when an answer begins. may_go_on: answers wait for it before their second round.
    """

    info: ModelInfo | None = INFO
    plain_ms: float | None = 10.0
    words: list[str] = field(default_factory=lambda: [f"word{n} " for n in range(9)])
    pause: float = 0.0
    error: Exception | None = None
    error_at: int = 0
    asked: list[tuple] = field(default_factory=list)
    rounds: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.may_go_on.set()

    def generate(self, prompt, sampling, draft, cancel) -> Iterator[Round]:
        self.asked.append((prompt, sampling, draft))
        self.begun.set()
        settings = DraftSettings(**draft)
        words = self.words[: sampling.max_tokens]
        for number, at in enumerate(range(0, len(words), 3)):
            while number == 1 and not self.may_go_on.wait(0.01) and not cancel():
                pass
            if cancel():
                yield Round((), (), 0, 0, 0, 0, 0.0, 0.0, 0.0, 20, settings, "cancelled")
                return
            if self.error is not None and number == self.error_at:
                raise self.error
            time.sleep(self.pause)
            part = words[at : at + 3]
            is_last = at + 3 >= len(words)
            reason = ("length" if len(words) < len(self.words) else "stop") if is_last else None
            pieces = tuple((word, index < 2) for index, word in enumerate(part))
            context = 20 + at + len(part)
            self.rounds += 1
            yield Round(tuple(range(len(part))), pieces, 8, 2, 4, 0, 1.0, 2.0, 4.0, context, settings, reason)
