"""What a process does that is to be killed: it streams, edits and deletes without end, and tells what was saved."""

import hashlib
import itertools
import json
import random
import sys
from pathlib import Path


def drive(path: str, report, seed: int) -> None:
    """Use the store at `path` until killed; what is on the disk for sure goes to the connection `report` as JSON."""
    from PySide6.QtCore import QCoreApplication, QTimer
    from ui.scripted import ScriptedEngine, scripted_parts

    from app.chats.store import Store
    from app.engine.link import EngineLink
    from app.engine.phase import Phase
    from app.ui.chat import writing
    from s3d_core.settings import SamplingSettings

    writing.FLUSH_MS = 20  # so that many flushes are met by the kill
    application = QCoreApplication(sys.argv[:1])
    dice = random.Random(seed)
    store = Store(Path(path))

    def tell(**what) -> None:
        report.send_bytes(json.dumps(what).encode())

    write = store.write

    def write_and_tell(message) -> None:
        write(message)
        tell(message=message.id, letters=len(message.text), digest=digest(message.text))

    store.write = write_and_tell
    engine = ScriptedEngine(reply="".join(f"word {n} é漢🙂\n" for n in range(60)), tokens_per_second=4000.0)
    link = EngineLink(scripted_parts(engine))
    writer = writing.ReplyWriter(store, link)
    steps = itertools.count()

    def act() -> None:
        if link.phase != Phase.READY or writer.current is not None:
            return
        chats = store.chats()
        step = next(steps)
        if not chats or step % 4 == 0:
            chat = store.add_chat(f"Chat {step}")
            parent = None
        else:
            chat = dice.choice(chats)
            conversation = store.conversation(chat.id)
            turns = conversation.turns
            # To edit is to answer in the place of an earlier turn; else the chat goes on.
            parent = dice.choice(turns).parent if turns and step % 2 else conversation.leaf
        if len(chats) > 3:
            gone = dice.choice([other for other in chats if other.id != chat.id])
            store.delete(gone.id)
            if step % 3 == 0:
                tell(purging=[chat.id for chat in store.deleted_chats()])
                store.purge(2e10)
        if parent is not None and store.conversation(chat.id).find(parent).role == "user":
            reply = store.add_reply(chat.id, parent)
            turn = None
        else:
            turn, reply = store.add_turn(chat.id, parent, f"Question {step} " * 20)
            tell(message=turn.id, letters=len(turn.text), digest=digest(turn.text), chat=chat.id)
        tell(message=reply.id, letters=0, digest=digest(""), chat=chat.id)
        conversation = store.conversation(chat.id)
        writer.start(
            writing.Writing(conversation, conversation.find(reply.id), parent, turn),
            (conversation.messages(reply.id), SamplingSettings()),
        )

    timer = QTimer(interval=2)
    timer.timeout.connect(act)
    timer.start()
    link.start()
    tell(ready=True)
    application.exec()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
