"""A chat as a tree of turns, and what the model reads of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.chats.conversation import Conversation
from app.chats.figures import figures_of, totals_of
from app.chats.model import Message, cut_by_runs, origin_runs
from app.chats.titles import LONGEST, title_from
from s3d_core.stats import Totals


def talk(*turns) -> Conversation:
    """Messages of (id, parent, text); odd ids are the user's."""
    return Conversation(1, [Message(i, p, "user" if i % 2 else "assistant", [(text, False)]) for i, p, text in turns])


def test_turns_alternate_and_empty_ones_are_left_out():
    chat = talk((1, None, "One"), (2, 1, ""), (3, 2, "Two"))
    assert chat.messages() == [{"role": "user", "content": "One\n\nTwo"}]


def test_only_the_shown_branch_is_read():
    chat = talk((1, None, "Q"), (2, 1, "A"), (4, 1, "B"), (5, 4, "More"))
    assert [turn.text for turn in chat.turns] == ["Q", "B", "More"]
    chat.leaf = chat.leaf_below(chat.find(2))
    assert [message["content"] for message in chat.messages()] == ["Q", "A"]
    assert chat.leaf_below(chat.find(4)) == 5
    assert [turn.id for turn in chat.siblings(chat.find(4))] == [2, 4]


def test_a_removed_leaf_gives_way_to_its_parent():
    chat = talk((1, None, "Q"), (2, 1, "A"))
    chat.remove(chat.find(2))
    assert chat.leaf == 1
    assert chat.find(2) is None


def test_a_lost_leaf_is_replaced_by_the_newest_branch():
    messages = [Message(1, None, "user"), Message(2, 1, "assistant"), Message(4, 1, "assistant")]
    assert Conversation(1, messages, 99).leaf == 4
    assert Conversation(1, [], 99).leaf is None


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.text(max_size=5), st.booleans())))
def test_pieces_survive_being_written_as_runs(pieces):
    text = "".join(part for part, _ in pieces)
    again = cut_by_runs(text, origin_runs(pieces))
    letters = [(letter, drafted) for part, drafted in pieces for letter in part]
    assert [(letter, drafted) for part, drafted in again for letter in part] == letters


def test_figures_come_back_as_the_sums_they_were():
    totals = Totals(plain_ms=10.0, tokens=20, rounds=8, total_ms=100.0, tried_per_slot=[8], accepted_per_slot=[6])
    figures = figures_of(totals, "SmolLM2")
    assert totals_of(figures) == totals
    assert (figures["speedup"], figures["model"]) == (2.0, "SmolLM2")
    for spoilt in ({}, {"tokens": 3}, figures | {"tokens": "20"}, figures | {"total_ms": None}):
        assert totals_of(spoilt) is None


def test_a_title_is_the_first_line_that_says_something():
    assert title_from("  \n```python\n## Why does **bread** rise?\nAnd more") == "Why does bread rise?"
    assert title_from("- item one") == "item one"
    long = title_from("Explain in some detail why the sky looks blue at noon and red at dusk")
    assert long == "Explain in some detail why the sky looks blue at …"
    assert len(title_from("漢字" * 100)) <= LONGEST + 2
    assert title_from("```") == "```"
