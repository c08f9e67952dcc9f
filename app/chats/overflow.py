"""What is done when a chat no longer fits into the context: stop, or leave the oldest turns out."""

from collections.abc import Callable
from dataclasses import dataclass

STOP, DROP = "stop", "drop"


@dataclass(frozen=True)
class ContextPlan:
    """Attributes:
    limit: most tokens of prompt and answer together, or None for all that the model can.
    overflow: `STOP` or `DROP`.
    """

    limit: int | None = None
    overflow: str = STOP

    def limit_of(self, model_limit: int) -> int:
        """The limit on a model that can take `model_limit` tokens."""
        return model_limit if self.limit is None else min(self.limit, model_limit)


def room_for_prompt(limit: int, max_tokens: int) -> int:
    """How many tokens of prompt leave the answer its share: all it may take, but at most a quarter of the context."""
    return limit - min(max_tokens, limit // 4)


def fit(messages: list[dict], count: Callable[[list[dict]], int], room: int) -> tuple[list[dict], int]:
    """The newest messages that take at most `room` tokens.

    Whole turns go, the oldest first, each with its reply, so that what stays begins with the user. The system prompt
    and the last turn always stay: where even they are too long, that is for the caller to find.

    Args:
        messages: {"role", "content"}; perhaps one of the system first.
        count: tokens of messages; fewer messages never take more.

    Returns:
        What stays, and how many messages were left out.
    """
    head = messages[:1] if messages and messages[0]["role"] == "system" else []
    rest = messages[len(head) :]
    starts = [at for at, message in enumerate(rest) if message["role"] == "user"]
    if not starts or count(messages) <= room:
        return messages, 0
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high) // 2
        if count(head + rest[starts[middle] :]) <= room:
            high = middle
        else:
            low = middle + 1
    return head + rest[starts[low] :], starts[low]


def dropped_said(dropped: int) -> str:
    """One sentence for the user."""
    what = "The oldest message was" if dropped == 1 else f"The {dropped:,} oldest messages were"
    return f"{what} left out of this answer: the chat is longer than its context."
