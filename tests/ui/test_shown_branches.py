"""Branches shown one after the other: what they have in common stays, and nothing of the others is seen."""

import pytest

from app.chats.model import Message
from app.ui.chat.flow_text import FlowText
from app.ui.chat.message import Turn
from app.ui.chat.transcript import Transcript


def branch_of(place: int, behind: int, ended: bool = True) -> list[Turn]:
    """A question, the n-th of its three answers, and what follows until so many messages stand behind the question."""
    messages = [Message(1, None, "user", [("Why?", False)])]
    for i in range(behind):
        role = ("assistant", "user")[i % 2]
        messages.append(Message(10 * place + i, 1, role, [(f"Part {i} of {place}. " * 20, i % 3 == 0)]))
        if role == "assistant":
            messages[-1].stop_reason = "stop"
    if not ended:
        messages[-1].stop_reason = None
    return [Turn(message, place if i == 1 else 1, 3 if i == 1 else 1) for i, message in enumerate(messages)]


def look_of(transcript: Transcript) -> list[tuple]:
    """What can be seen and clicked of each message, the last one first."""
    return [
        (
            view.turn.message.id,
            view.foot.isHidden(),
            view.foot.isEnabled(),
            [part.toPlainText() for part in view.findChildren(FlowText)],
        )
        for view in reversed(transcript.messages)
    ]


def test_a_branch_that_begins_like_the_one_shown_keeps_its_messages(qtbot):
    transcript = Transcript()
    qtbot.addWidget(transcript)
    transcript.resize(900, 5000)
    transcript.show()
    long = branch_of(1, 7)
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
    branches = [branch_of(1, 7), branch_of(1, 3), [], branch_of(2, 5), branch_of(2, 6, ended=False), branch_of(1, 12)]
    long = branches[0]
    branches += [long, long[:4], long[:5], long, long[:2], [*long[:3], *branch_of(2, 4)[2:]]]
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
        bar = transcript.verticalScrollBar()
        qtbot.waitUntil(lambda bar=bar: bar.value() == bar.maximum())
        shown = [view.turn.message for view in transcript.messages]
        assert shown == [turn.message for turn in branch[len(branch) - len(shown) :]]
        assert bool(shown) == bool(branch)
        # How far ahead messages are made depends on what is known of their heights.
        for seen, wanted in zip(look_of(transcript), look_of(fresh), strict=False):
            assert seen == wanted
