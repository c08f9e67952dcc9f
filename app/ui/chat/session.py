"""The chat that is shown: asking, branching, and going from chat to chat."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, Signal

from app.chats.conversation import Conversation
from app.chats.errors import StoreError
from app.chats.model import EDITED, Message
from app.chats.store import Store
from app.chats.titles import title_of
from app.engine.link import EngineLink
from app.engine.phase import Phase
from app.ui.chat.message import Turn
from app.ui.chat.pane import ChatPane
from app.ui.chat.writing import ReplyWriter, Writing

Prepare = Callable[[int, list[dict], int], tuple]


class ChatSession(QObject):
    """Sends, regenerates, edits, continues, and moves between chats and branches. Everything is in the store at once.

    An answer being written belongs to its chat: when another one is shown it goes on, and is saved there.

    Args:
        prepare: (id of the chat, what the model is to read, number of the attempt from 0) -> the arguments of
            `EngineLink.ask`.

    Attributes:
        conversation: the chat shown.
        writer: the reply being written, of this chat or of another.

    Signals:
        leaving: the id of the chat that is about to give way to another.
        opened: the id of the chat shown now.
        chats_changed: titles, order or number of chats may be others now.
        asked: the model was asked.
    """

    leaving = Signal(int)
    opened = Signal(int)
    chats_changed = Signal()
    asked = Signal()

    def __init__(self, store: Store, link: EngineLink, pane: ChatPane, prepare: Prepare, parent=None):
        super().__init__(parent)
        self.store = store
        self._link, self._pane, self._prepare = link, pane, prepare
        self.writer = ReplyWriter(store, link, self)
        self.writer.extended.connect(pane.transcript.extend)
        self.writer.ended.connect(self._on_ended)
        self.writer.undone.connect(self._on_undone)
        self.writer.troubled.connect(pane.notice.error)
        link.phase_changed.connect(lambda phase: self._show_busy())
        transcript = pane.transcript
        transcript.regenerate.connect(self.regenerate)
        transcript.go_on.connect(self.go_on)
        transcript.edited.connect(self.edit)
        transcript.branch_wanted.connect(self.show_branch)
        transcript.delete_wanted.connect(self.delete)
        self.conversation = store.conversation((store.last_opened() or store.empty_chat()).id)
        with self._said():
            store.mark_opened(self.conversation.chat_id)  # so that what is typed in it is found again
        self._show()

    @property
    def can_ask(self) -> bool:
        """A model is there and free."""
        return self._link.phase == Phase.READY and self.writer.current is None

    @property
    def writes_elsewhere(self) -> bool:
        """An answer is being written in another chat than the one shown."""
        writing = self.writer.current
        return writing is not None and writing.conversation.chat_id != self.conversation.chat_id

    # -- asking --------------------------------------------------------------------------------------------------

    def send(self, text: str) -> bool:
        """Ask the model; returns whether it was asked."""
        return self.can_ask and self._ask_anew(self.conversation.leaf, text)

    def regenerate(self, message_id: int | None = None) -> None:
        """Write a reply, by default the last, again as a branch of its own."""
        old = self.conversation.find(self.conversation.leaf if message_id is None else message_id)
        if not self.can_ask or old is None:
            return
        parent = old.parent if old.role == "assistant" else old.id
        before = self.conversation.leaf
        with self._said():
            reply = self.store.add_reply(self.conversation.chat_id, parent)
            self.conversation.add(reply)
            self._show()
            self._ask(Writing(self.conversation, reply, before))

    def edit(self, message_id: int, text: str) -> None:
        """Put another text in the place of a message as a branch of its own; what the user said is then answered."""
        old = self.conversation.find(message_id)
        if old is None or not self.can_ask:
            return
        if old.role == "user":
            self._ask_anew(old.parent, text)
            return
        with self._said():
            pieces, chat = [(text, False)], self.conversation.chat_id
            new = self.store.add_message(chat, old.parent, "assistant", pieces, EDITED)
            self.conversation.add(new)
            self._show()

    def delete(self, message_id: int) -> None:
        """Delete one message; what follows it stays, and it can be brought back."""
        chat, message = self.conversation.chat_id, self.conversation.find(message_id)
        if message is None or self.writer.current is not None:
            return
        was_last = message.id == self.conversation.leaf
        with self._said():
            with self.store.transaction():
                followers = self.store.take_out(message)
                self._read_again()
                before = self.conversation.find(message.parent)
                if was_last and before is not None:
                    self._set_leaf(self.conversation.leaf_below(before))
            self._show(before)
            self.chats_changed.emit()
            self._offer_back(chat, message, followers)

    def _offer_back(self, chat: int, message: Message, followers: list[int]) -> None:
        said = self.tr("The message is deleted.")
        self._pane.notice.offer(said, self.tr("Undo"), lambda: self._put_back(chat, message, followers))

    def _put_back(self, chat: int, message: Message, followers: list[int]) -> None:
        """Bring a deleted message back, in the chat shown or in another."""
        writing = self.writer.current
        if writing is not None and writing.conversation.chat_id == chat:
            self._offer_back(chat, message, followers)
            return
        with self._said():
            self.store.put_back(chat, message, followers)
            if chat == self.conversation.chat_id:
                self._read_again()
                found = self.conversation.find(message.id)
                if found is not None:
                    self._set_leaf(self.conversation.leaf_below(found))
                    self._show(found)
            self.chats_changed.emit()

    def _read_again(self) -> None:
        """Read the chat shown from the store, where its tree was changed."""
        self.conversation = self.store.conversation(self.conversation.chat_id)

    def go_on(self, message_id: int) -> None:
        """Let the model continue the last reply, where it did not come to its end by itself."""
        reply = self.conversation.find(message_id)
        if reply is None or not self.can_ask or not reply.can_continue or reply.id != self.conversation.leaf:
            return
        with self._said():
            writing = Writing(self.conversation, reply, reply.id, None, (reply.stop_reason, reply.figures))
            writing.letters = len(reply.text)
            reply.stop_reason = None
            self._pane.transcript.write_on(reply)
            self._ask(writing)

    def last_asked(self) -> tuple | None:
        """The arguments of `EngineLink.ask` that would write the last reply shown; None before there is one."""
        last = self.conversation.find(self.conversation.leaf)
        if last is None:
            return None
        is_reply = last.role == "assistant"
        attempt = self.conversation.siblings(last).index(last) if is_reply else 0
        messages = self.conversation.messages(last.parent if is_reply else last.id)
        return self._prepare(self.conversation.chat_id, messages, attempt)

    def stop(self) -> None:
        """Stop what runs."""
        if self._link.busy:
            self._link.stop()

    def _ask_anew(self, parent: int | None, text: str) -> bool:
        chat, before = self.conversation.chat_id, self.conversation.leaf
        with self._said():
            with self.store.transaction():
                turn, reply = self.store.add_turn(chat, parent, text)
                if parent is None:
                    self._retitle(self.conversation, title_of(text))
            self._pane.show_conversation(True)
            for message in (turn, reply):
                self.conversation.add(message)
                if parent == before:
                    self._pane.transcript.append(self._turn(message))
            if parent != before:
                self._show()
            self._ask(Writing(self.conversation, reply, before, turn))
            self.chats_changed.emit()
            return True
        return False

    def _retitle(self, conversation: Conversation, title: str) -> None:
        """The title follows the first question, unless the user gave it another."""
        made = {"", *(title_of(first.text) for first in conversation.first_turns)}
        if self.store.title(conversation.chat_id) in made:
            self.store.rename(conversation.chat_id, title)

    def _ask(self, writing: Writing) -> None:
        self._pane.notice.hide()
        conversation, reply = writing.conversation, writing.reply
        attempt = conversation.siblings(reply).index(reply)
        self.asked.emit()
        self.writer.start(writing, self._prepare(conversation.chat_id, conversation.messages(reply.id), attempt))
        self._show_busy()

    # -- chats and branches --------------------------------------------------------------------------------------

    def new_chat(self) -> None:
        """Show an empty chat."""
        with self._said():
            self._open(self.store.empty_chat().id)

    def open_chat(self, chat_id: int, message_id: int | None = None) -> None:
        """Show a chat, and in it a message, where one is given."""
        with self._said():
            if chat_id != self.conversation.chat_id:
                self._open(chat_id)
            message = self.conversation.find(message_id)
            if message is not None:
                if message not in self.conversation.turns:
                    self._set_leaf(self.conversation.leaf_below(message))
                self._show(message)

    def leave_deleted(self, chat_id: int) -> None:
        """A chat was deleted: an answer being written in it is stopped, and another chat is shown."""
        writing = self.writer.current
        if writing is not None and writing.conversation.chat_id == chat_id:
            self.stop()
        if chat_id == self.conversation.chat_id:
            self.new_chat()

    def show_branch(self, message_id: int, step: int) -> None:
        """Show the branch before (-1) or after (1) the one through a message."""
        message = self.conversation.find(message_id)
        if message is None:
            return
        siblings = self.conversation.siblings(message)
        place = siblings.index(message) + step
        if 0 <= place < len(siblings):
            offset = self._pane.transcript.offset_of(message)
            with self._said():
                self._set_leaf(self.conversation.leaf_below(siblings[place]))
            self._show(siblings[place], offset)

    def close(self) -> None:
        """Write what is not written yet."""
        self.writer.close()

    def _open(self, chat_id: int) -> None:
        writing = self.writer.current
        if writing is not None and writing.conversation.chat_id == chat_id:
            conversation = writing.conversation
        else:
            conversation = self.store.conversation(chat_id)
        self.store.mark_opened(chat_id)
        self.leaving.emit(self.conversation.chat_id)
        self.conversation = conversation
        self._pane.notice.hide()
        self._show()
        self.opened.emit(chat_id)

    def _set_leaf(self, leaf: int) -> None:
        self.conversation.leaf = leaf
        self.store.set_leaf(self.conversation.chat_id, leaf)

    # -- showing -------------------------------------------------------------------------------------------------

    def _show(self, at: Message | None = None, offset: int | None = None) -> None:
        turns = [self._turn(message) for message in self.conversation.turns]
        self._pane.show_conversation(bool(turns))
        self._pane.transcript.show_turns(turns, at, offset)
        self._show_busy()

    def _turn(self, message: Message) -> Turn:
        siblings = self.conversation.siblings(message)
        return Turn(message, siblings.index(message) + 1, len(siblings))

    def _show_busy(self) -> None:
        self._pane.transcript.set_busy(not self.can_ask)

    def _on_ended(self, writing: Writing) -> None:
        self._pane.transcript.finish(writing.reply)
        self._show_busy()

    def _on_undone(self, writing: Writing) -> None:
        """What stood before comes back, and what was asked goes into the composer where that is empty."""
        conversation, reply = writing.conversation, writing.reply
        here = conversation is self.conversation
        if writing.stood is not None:
            reply.stop_reason, reply.figures = writing.stood
            self._on_ended(writing)
            return
        gone = [reply]
        if writing.asked is not None and here and not self._pane.composer.text.strip():
            gone.append(writing.asked)
        leaf = conversation.leaf
        if leaf == reply.id:
            leaf = writing.asked.id if writing.asked is not None and len(gone) == 1 else writing.before
        with self._said(), self.store.transaction():
            if writing.asked in gone and writing.asked.parent is None:
                before = conversation.branch(writing.before)
                self._retitle(conversation, title_of(before[0].text) if before else "")
            self.store.take_back(conversation.chat_id, gone, leaf)
        for message in gone:
            conversation.remove(message)
        conversation.leaf = leaf
        if len(gone) > 1:
            self._pane.composer.set_text(gone[1].text)
        if here:
            self._show()
        self.chats_changed.emit()

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What the store cannot do is said in the notice; the rest of what is inside is then left out."""
        try:
            yield
        except StoreError as error:
            self._pane.notice.error(str(error))
