"""An engine that says what it was told to, at the speed it was told: for tests of the window's timing and manners.

It has the surface of `s3d_core.engine.Engine` and yields real `Round`s. What an answer truly is, the end-to-end tests
ask of the real engine.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.engine.parts import Parts
from s3d_core.errors import ModelError
from s3d_core.settings import DraftSettings
from s3d_core.stats import ModelInfo, Round

INFO = ModelInfo(
    name="Scripted-135M",
    path="/models/scripted",
    architecture="LlamaForCausalLM",
    depth=30,
    most_skipped=28,
    most_drafted=6,
    context_limit=8192,
    device="cpu",
    dtype="float32",
    weight_bytes=270_000_000,
    adapter_bytes=4_000_000,
    defaults=DraftSettings(),
    notice=None,
)


@dataclass
class ScriptedEngine:
    """Attributes:
    reply: the text of every answer; `tokens_per_second` and `per_round` say how fast it comes.
    seen: the settings each round ran with. asked, sampled, contexts: messages, sampling and limit of each answer.
    fail_after: rounds after which an unforeseen error is raised.
    """

    reply: str = "Hello **there**, this is a reply."
    tokens_per_second: float = 200.0
    per_round: int = 3
    plain_ms: float | None = 10.0
    fail_after: int | None = None
    prompt_seconds: float = 0.0
    info: ModelInfo = INFO
    seen: list[DraftSettings] = field(default_factory=list)
    asked: list[list[dict]] = field(default_factory=list)
    sampled: list = field(default_factory=list)
    contexts: list = field(default_factory=list)
    closed: bool = False

    def chat_ids(self, messages, *, continue_last=False):
        self.asked.append(messages)
        return list(range(20))

    def count(self, messages):
        """A token for each word, and three for each message."""
        return sum(3 + self.count_text(message["content"]) for message in messages)

    def count_text(self, text):
        return len(text.split())

    def generate(
        self, ids, draft, sampling, *, cancel=None, on_prefill=None, probe_every=0, context=None, within_text=False
    ):
        self.sampled.append(sampling)
        draft = draft if callable(draft) else lambda value=draft: value
        self.contexts.append(context)
        begun = time.perf_counter()
        while time.perf_counter() - begun < self.prompt_seconds:
            if cancel():
                yield self._round(draft(), [], "cancelled")
                return
            if on_prefill:
                on_prefill(int(100 * (time.perf_counter() - begun) / self.prompt_seconds), 100)
            time.sleep(0.01)
        if on_prefill:
            on_prefill(len(ids), len(ids))
        tokens = [self.reply[at : at + 4] for at in range(0, len(self.reply), 4)]
        due = time.perf_counter()
        for count, at in enumerate(range(0, len(tokens), self.per_round)):
            settings = draft()
            self.seen.append(settings)
            if settings.strategy == "auto":
                settings = self.auto(settings, count)
            if cancel():
                yield self._round(settings, [], "cancelled")
                return
            if self.fail_after is not None and count >= self.fail_after:
                raise RuntimeError("the scripted accident")
            part = tokens[at : at + self.per_round]
            due += len(part) / self.tokens_per_second
            time.sleep(max(0.0, due - time.perf_counter()))
            last = at + self.per_round >= len(tokens)
            yield self._round(settings, part, "stop" if last else None)

    def auto(self, wished, count):
        """What Auto runs the round with: three drafts, then a copy, then a plain step, and so on."""
        drafts = "s3d" if self.info.has_adapter else "lookup"
        chosen = (drafts, drafts, drafts, "lookup", "plain")[count % 5]
        tree = {"s3d": 5, "lookup": 3, "plain": 1}[chosen]
        return replace(wished, strategy=chosen, skipped=9, draft_length=3, tree_size=tree)

    def _round(self, settings, part, reason):
        drafting = settings.strategy != "plain"
        accepted = len(part) - 1 if drafting and part else 0
        pieces = tuple((text, drafting and index < accepted) for index, text in enumerate(part))
        ms = 1000 * len(part) / self.tokens_per_second
        depth = settings.draft_length if drafting else 0
        drafted = settings.tree_size if drafting else 0
        ids = tuple(range(len(part)))
        return Round(ids, pieces, drafted, accepted, depth, 0, ms / 3, ms / 2, ms, 100, settings, reason)

    def forget_texts(self):
        pass

    def measure_plain(self):
        return self.plain_ms

    def memory(self):
        return {"weights": 270_000_000, "cache": 10_000_000, "adapter": 4_000_000}

    def close(self):
        self.closed = True


@dataclass(frozen=True)
class ScriptedModel:
    name: str
    path: Path
    bytes: int = 1
    source: str = "test"


def scripted_parts(engine: ScriptedEngine, load_seconds: float = 0.0) -> Parts:
    """Parts with one good model, "Scripted-135M", and one bad one, "Broken"."""

    def open_engine(path, progress):
        begun = time.perf_counter()
        while time.perf_counter() - begun < load_seconds:
            progress("Loading layers", (time.perf_counter() - begun) / load_seconds)
            time.sleep(0.005)
        if path.name == "broken":
            raise ModelError("The model in /models/broken is damaged: fetch it again.")
        return engine

    models = [ScriptedModel("Scripted-135M", Path("/models/scripted")), ScriptedModel("Broken", Path("/models/broken"))]
    return Parts(open_engine, lambda progress: models[0].path, lambda: models)
