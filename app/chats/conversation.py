"""A conversation in memory: turns of user and assistant, and where each piece of a reply came from."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Message:
    """One turn.

    Attributes:
        role: "user" or "assistant".
        pieces: (text, came from an accepted draft), in order.
    """

    role: str
    pieces: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole turn."""
        return "".join(text for text, _ in self.pieces)


class Conversation:
    """Turns in order. A reply that never got a letter leaves no trace."""

    def __init__(self):
        self.turns: list[Message] = []

    def add_user(self, text: str) -> Message:
        """The user's turn."""
        return self._add(Message("user", [(text, False)]))

    def start_reply(self) -> Message:
        """An empty assistant's turn, to be filled by `extend_reply`."""
        return self._add(Message("assistant"))

    def extend_reply(self, pieces: Iterable[tuple[str, bool]]) -> None:
        """Put pieces at the end of the reply being written."""
        self.turns[-1].pieces.extend(pieces)

    def take_last(self) -> Message:
        """Remove the last turn and hand it out."""
        return self.turns.pop()

    def put_back(self, message: Message) -> None:
        """Undo `take_last`."""
        self.turns.append(message)

    @property
    def can_regenerate(self) -> bool:
        """The last turn is a reply."""
        return bool(self.turns) and self.turns[-1].role == "assistant"

    def messages(self) -> list[dict]:
        """What the model reads: {"role", "content"} in strict turns, empty ones left out."""
        found: list[dict] = []
        for turn in self.turns:
            if not turn.text:
                continue
            if found and found[-1]["role"] == turn.role:
                found[-1]["content"] += "\n\n" + turn.text
            else:
                found.append({"role": turn.role, "content": turn.text})
        return found

    def _add(self, message: Message) -> Message:
        self.turns.append(message)
        return message
