"""One chat in memory: a tree of turns, of which one branch is shown."""

from collections.abc import Iterable

from app.chats.model import Message


class Conversation:
    """The messages of a chat by id, and the leaf at which the branch shown ends."""

    def __init__(self, chat_id: int, messages: Iterable[Message] = (), leaf: int | None = None):
        self.chat_id = chat_id
        self._messages: dict[int, Message] = {}
        self._children: dict[int | None, list[int]] = {}
        for message in messages:
            self.add(message)
        self.leaf = leaf if leaf in self._messages else self._newest_below(None)

    def add(self, message: Message) -> None:
        """Hang a message below its parent; it becomes the leaf."""
        self._messages[message.id] = message
        self._children.setdefault(message.parent, []).append(message.id)
        self.leaf = message.id

    def remove(self, message: Message) -> None:
        """Take out a message that nothing follows; where it was the leaf, its parent is now."""
        del self._messages[message.id]
        self._children[message.parent].remove(message.id)
        if self.leaf == message.id:
            self.leaf = message.parent

    def find(self, message_id: int | None) -> Message | None:
        """The message with this id, on whatever branch."""
        return self._messages.get(message_id) if message_id is not None else None

    @property
    def turns(self) -> list[Message]:
        """The branch shown, from its first turn to the leaf."""
        return self.branch(self.leaf)

    def branch(self, leaf: int | None) -> list[Message]:
        """The turns from the first one to `leaf`."""
        found = []
        while leaf is not None:
            found.append(self._messages[leaf])
            leaf = found[-1].parent
        return found[::-1]

    @property
    def first_turns(self) -> list[Message]:
        """What the chat begins with on its branches, the oldest first."""
        return [self._messages[key] for key in self._children.get(None, ())]

    def siblings(self, message: Message) -> list[Message]:
        """The branches that part where `message` does, itself among them, the oldest first."""
        return [self._messages[key] for key in self._children[message.parent]]

    def leaf_below(self, message: Message) -> int:
        """Where a branch through `message` ends: always the newest turn next."""
        return self._newest_below(message.id) or message.id

    def messages(self, leaf: int | None = None) -> list[dict]:
        """What the model reads: {"role", "content"} in strict turns up to `leaf`, empty ones left out."""
        found: list[dict] = []
        for turn in self.branch(self.leaf if leaf is None else leaf):
            if not turn.text:
                continue
            if found and found[-1]["role"] == turn.role:
                found[-1]["content"] += "\n\n" + turn.text
            else:
                found.append({"role": turn.role, "content": turn.text})
        return found

    def _newest_below(self, at: int | None) -> int | None:
        while children := self._children.get(at):
            at = children[-1]
        return at
