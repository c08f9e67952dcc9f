"""Branches shown one after the other: what they have in common stays, and nothing of the others is seen."""

import pytest

from app.chats.model import Message
from app.ui.chat.flow_text import FlowText
from app.ui.chat.message import Turn
from app.ui.chat.transcript import Transcript


def turns_of(*places: int, ended: bool = True) -> list[Turn]:
    """A branch whose second message is the n-th of three, and so many messages behind it."""
    place, behind = places
    messages = [Message(1, None, "user", [("Why?", False)])]
    messages += [
        Message(10 * place + i, 1, ("assistant", "user")[i % 2], [(f"Answer {i}. " * 20, i % 3 == 0)])
        for i in range(behind)
    ]
    for message in messages:
        if message.role == "assistant":
            message.stop_reason = "stop"
    if not ended:
        messages[-1].stop_reason = None
    return [Turn(message, place if i == 1 else 1, 3 if i == 1 else 1) for i, message in enumerate(messages)]


def look_of(transcript: Transcript) -> list[tuple]:
    views = transcript.messages
    return [
        (
            view.turn.message.id,
            view.foot.isHidden(),
            view.foot.isEnabled(),
            [t.toPlainText() for t in view.findChildren(FlowText)],
        )
        for view in views
    ] + [len(transcript.turns)]


def test_a_branch_that_begins_like_the_one_shown_keeps_its_messages(qtbot):
    transcript = Transcript()
    qtbot.addWidget(transcript)
    transcript.resize(900, 5000)
    transcript.show()
    long = turns_of(1, 7)
    transcript.show_turns(long)
    before = transcript.messages
    shorter = [Turn(turn.message, turn.place, turn.branches) for turn in long[:6]]
    transcript.show_turns(shorter)
    assert transcript.messages == before[:6]
    transcript.show_turns(shorter)  # what was last may have been half of a reply
    assert transcript.messages[:5] == before[:5]
    assert transcript.messages[5] is not before[5]
    # Its place among branches is shown below a message.
    moved = [*shorter[:5], Turn(shorter[5].message, 2, 2)]
    transcript.show_turns(moved)
    assert transcript.messages[:5] == before[:5]
    assert transcript.messages[5].turn.place == 2


@pytest.mark.parametrize("height", [300, 3000])
def test_what_is_shown_does_not_depend_on_what_was_shown_before(qtbot, height):
    branches = [turns_of(1, 7), turns_of(1, 3), [], turns_of(2, 5), turns_of(2, 6, ended=False), turns_of(1, 12)]
    long = branches[0]
    branches += [long, long[:4], long[:5], long, long[:2], [*long[:3], *turns_of(2, 4)[2:]]]
    transcript = Transcript()
    transcript.resize(900, height)
    qtbot.addWidget(transcript)
    transcript.show()
    for branch in branches:
        transcript.show_turns(branch)
        fresh = Transcript()
        fresh.resize(900, height)
        qtbot.addWidget(fresh)
        fresh.show()
        fresh.show_turns(branch)
        qtbot.wait(30)
        seen, wanted = look_of(transcript), look_of(fresh)
        count = min(len(seen), len(wanted)) - 1
        assert (seen[-1], seen[-1 - count : -1]) == (wanted[-1], wanted[-1 - count : -1])
        assert transcript.verticalScrollBar().value() == transcript.verticalScrollBar().maximum()
