"""Chats and messages as plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

Piece = tuple[str, bool]

# How a reply can have ended, beyond the reasons of `Round.stop_reason`.
INTERRUPTED, FAILED, EDITED = "interrupted", "error", "edited"
# Ends after which there may be more to say.
UNFINISHED = ("length", "cancelled", INTERRUPTED, FAILED, EDITED)


@dataclass(frozen=True)
class Chat:
    """What a list of chats shows.

    Attributes:
        title: empty until it is made from the first turn.
        created, updated: seconds since the epoch.
        leaf: the message at which the branch shown ends, or None in an empty chat.
    """

    id: int
    title: str
    pinned: bool
    created: float
    updated: float
    leaf: int | None

    @property
    def name(self) -> str:
        """The title, or what stands for it."""
        return self.title or "New chat"


@dataclass
class Message:
    """One turn.

    Attributes:
        parent: the message it follows, or None.
        role: "user" or "assistant".
        pieces: (text, came from an accepted draft), in order.
        stop_reason: None while it is being written, else why it ended; "" for the user's turns.
        figures: what was measured while it was written, as JSON types.
    """

    id: int
    parent: int | None
    role: str
    pieces: list[Piece] = field(default_factory=list)
    stop_reason: str | None = None
    figures: dict = field(default_factory=dict)
    created: float = 0.0

    @property
    def text(self) -> str:
        """The whole turn."""
        return "".join(text for text, _ in self.pieces)

    @property
    def can_continue(self) -> bool:
        """A reply that did not come to its end by itself."""
        return self.role == "assistant" and self.stop_reason in UNFINISHED and bool(self.text.strip())


def origin_runs(pieces: Iterable[Piece]) -> list[int]:
    """Where letters came from, as lengths of runs in turn: the model's own, from drafts, its own, and so on."""
    runs, drafted = [0], False
    for text, from_draft in pieces:
        if from_draft != drafted:
            runs.append(0)
            drafted = from_draft
        runs[-1] += len(text)
    return runs


def cut_by_runs(text: str, runs: Sequence[int]) -> list[Piece]:
    """The pieces of `text` by the runs of `origin_runs`; what they leave over is the model's own."""
    ends = [0, *accumulate(runs)]
    found = [(text[begin:end], bool(turn % 2)) for turn, (begin, end) in enumerate(pairwise(ends))]
    found.append((text[ends[-1] :], False))
    return [piece for piece in found if piece[0]]
