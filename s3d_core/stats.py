"""What a round did, and sums over rounds. Plain values: the only thing that crosses threads."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from s3d_core.settings import DraftSettings

# Rows of a usual verify pass: the current token's and those of 16 candidates.
USUAL_ROWS = 17
# With the 2.7 tokens of a usual round and a draft pass of 0.6 plain steps, drafts make a reply 1.7 times as fast where
# verifying costs no more than a step, and 1.3 times where it costs this many: more than half of the gain is gone.
SLOW_VERIFY = 1.5
# Of NVIDIA's GPUs that hold weights in int4: Ampere, the first that multiply bfloat16.
INT4_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Round:
    """One draft-verify-accept-commit turn of the loop.

    Attributes:
        ids: tokens emitted, in order. A stop token ends the round and is the last of them.
        pieces: (text, came from a draft) in order; their texts joined are this round's text.
            Texts lag behind `ids` while a letter or a possible stop text is incomplete.
        drafted: candidates verified.
        accepted: candidates emitted.
        depth: depth of the candidate tree, the most that could have been accepted.
        relaxed: accepted candidates that plain decoding would not have chosen.
        draft_ms, verify_ms, total_ms: milliseconds of the draft pass, of the verify pass, of all.
        context: tokens in the context after the round.
        settings: what the round ran with.
        stop_reason: None while the reply goes on, else "stop" (stop token or stop text),
            "length" (max tokens), "context" (context full) or "cancelled".
    """

    ids: tuple[int, ...]
    pieces: tuple[tuple[str, bool], ...]
    drafted: int
    accepted: int
    depth: int
    relaxed: int
    draft_ms: float
    verify_ms: float
    total_ms: float
    context: int
    settings: DraftSettings
    stop_reason: str | None = None

    @property
    def text(self) -> str:
        """The text that this round completed."""
        return "".join(text for text, _ in self.pieces)


@dataclass
class Totals:
    """Sums over the rounds of a reply.

    Attributes:
        prefill_ms: time from the request to the first round's start.
        plain_ms: measured milliseconds of one plain decoding step, or None before it is measured.
    """

    plain_ms: float | None = None
    prefill_ms: float = 0.0
    rounds: int = 0
    tokens: int = 0
    drafted: int = 0
    accepted: int = 0
    relaxed: int = 0
    total_ms: float = 0.0
    draft_ms: float = 0.0
    verify_ms: float = 0.0
    first_ms: float = 0.0
    tried_per_slot: list[int] = field(default_factory=list)
    accepted_per_slot: list[int] = field(default_factory=list)
    stop_reason: str | None = None

    def add(self, done: Round) -> None:
        """Count one round in."""
        if self.rounds == 0:
            self.first_ms = done.total_ms
        self.rounds += bool(done.ids)  # one that was cancelled wrote nothing and was none
        self.tokens += len(done.ids)
        self.drafted += done.drafted
        self.accepted += done.accepted
        self.relaxed += done.relaxed
        self.total_ms += done.total_ms
        self.draft_ms += done.draft_ms
        self.verify_ms += done.verify_ms
        self.stop_reason = done.stop_reason
        grow = done.depth - len(self.tried_per_slot)
        self.tried_per_slot += [0] * grow
        self.accepted_per_slot += [0] * grow
        for slot in range(done.depth):
            # A slot behind a rejected one counts as tried: rejected drafts stay in the denominator.
            self.tried_per_slot[slot] += 1
            self.accepted_per_slot[slot] += slot < done.accepted

    def add_all(self, rounds: Iterable[Round]) -> "Totals":
        """Count many rounds in."""
        for done in rounds:
            self.add(done)
        return self

    @property
    def tokens_per_round(self) -> float:
        """Mean tokens emitted in a round."""
        return self.tokens / self.rounds if self.rounds else 0.0

    @property
    def tokens_per_second(self) -> float:
        """Decoding speed, prompt reading left out."""
        return 1000 * self.tokens / self.total_ms if self.total_ms else 0.0

    @property
    def plain_tokens_per_second(self) -> float | None:
        """Plain decoding's measured speed."""
        return 1000 / self.plain_ms if self.plain_ms else None

    @property
    def speedup(self) -> float | None:
        """This reply's speed over plain decoding's measured speed."""
        plain = self.plain_tokens_per_second
        return self.tokens_per_second / plain if plain and self.tokens else None

    @property
    def acceptance_per_slot(self) -> list[float]:
        """Share of rounds in which the first k drafts were accepted, for k = 1, 2, ..."""
        return [a / t for a, t in zip(self.accepted_per_slot, self.tried_per_slot, strict=True)]

    @property
    def time_to_first_token_ms(self) -> float:
        """From the request to the end of the first round."""
        return self.prefill_ms + self.first_ms


@dataclass(frozen=True)
class ModelInfo:
    """What a loaded model is and what its sliders may be set to.

    Attributes:
        name, path, architecture: what was loaded from where.
        depth: decoder layers.
        most_skipped: largest useful number of skipped layers.
        most_drafted: most tokens a draft can be long.
        context_limit: most tokens of prompt and reply together.
        device, dtype: where and in what precision it runs.
        weight_bytes, adapter_bytes: memory of the weights and of the draft adapter (0 without one).
        defaults: settings to start with.
        notice: one sentence for the user, or None.
        verify_ratio: what a verify pass of `USUAL_ROWS` rows takes over a plain step, measured when the model was
            loaded; None where it was not.
    """

    name: str
    path: str
    architecture: str
    depth: int
    most_skipped: int
    most_drafted: int
    context_limit: int
    device: str
    dtype: str
    weight_bytes: int
    adapter_bytes: int
    defaults: DraftSettings
    notice: str | None = None
    verify_ratio: float | None = None

    @property
    def verifies_slowly(self) -> bool:
        """Whether the weights are in a format of few bits whose verify pass takes so long that drafts gain little."""
        few_bits = self.dtype not in ("float32", "bfloat16", "float16")
        return few_bits and self.verify_ratio is not None and self.verify_ratio > SLOW_VERIFY

    @property
    def has_adapter(self) -> bool:
        """Whether a draft adapter is in use."""
        return self.adapter_bytes > 0
