"""Which turns are left out when a chat is longer than its context."""

from hypothesis import given
from hypothesis import strategies as some

from app.chats.overflow import ContextPlan, dropped_said, fit, room_for_prompt

SYSTEM = {"role": "system", "content": "s" * 10}


def chat(turns: int, size: int = 10) -> list[dict]:
    """User and assistant in turn, the user last."""
    return [{"role": ("user", "assistant")[at % 2], "content": chr(97 + at % 26) * size} for at in range(2 * turns - 1)]


def letters(messages) -> int:
    return sum(len(message["content"]) for message in messages)


def test_a_chat_that_fits_is_left_alone():
    assert fit([SYSTEM, *chat(3)], letters, 60) == ([SYSTEM, *chat(3)], 0)


def test_the_oldest_turns_go_with_their_replies_and_the_system_prompt_stays():
    messages = [SYSTEM, *chat(4)]
    assert fit(messages, letters, 79) == ([SYSTEM, *messages[3:]], 2)
    assert fit(messages, letters, 45) == ([SYSTEM, *messages[5:]], 4)


def test_the_last_turn_stays_even_where_it_is_too_long():
    assert fit([SYSTEM, *chat(4)], letters, 5) == ([SYSTEM, chat(4)[-1]], 6)
    assert fit(chat(1), letters, 5) == (chat(1), 0)


def test_a_reply_that_is_gone_on_with_keeps_its_question():
    messages = [*chat(3), {"role": "assistant", "content": "z" * 10}]
    assert fit(messages, letters, 20) == (messages[4:], 4)


def test_nothing_is_dropped_from_messages_without_a_user():
    assert fit([SYSTEM], letters, 1) == ([SYSTEM], 0)
    assert fit([], letters, 1) == ([], 0)


@given(some.lists(some.integers(0, 50), min_size=1, max_size=40), some.integers(0, 400), some.booleans())
def test_as_much_as_fits_stays(sizes, room, with_system):
    messages = [{"role": ("user", "assistant")[at % 2], "content": "x" * size} for at, size in enumerate(sizes)]
    head = [SYSTEM] if with_system else []
    kept, dropped = fit(head + messages, letters, room)
    assert kept == head + messages[dropped:]
    assert dropped % 2 == 0
    last = dropped >= len(messages) - 2
    assert letters(kept) <= room or last
    if dropped:
        assert letters(head + messages[dropped - 2 :]) > room


def test_a_thousand_messages_are_counted_a_few_times():
    calls = []
    fit(chat(1000), lambda messages: calls.append(1) or letters(messages), 100)
    assert len(calls) <= 12


def test_the_answer_keeps_its_share_of_the_context():
    assert room_for_prompt(4096, 1024) == 3072
    assert room_for_prompt(4096, 100_000) == 3072
    assert room_for_prompt(4096, 10) == 4086


def test_the_limit_is_the_smaller_of_the_models_and_the_users():
    assert ContextPlan().limit_of(8192) == 8192
    assert ContextPlan(512).limit_of(8192) == 512
    assert ContextPlan(100_000).limit_of(8192) == 8192


def test_what_was_dropped_is_said():
    assert dropped_said(1).startswith("The oldest message was left out")
    assert dropped_said(1200).startswith("The 1,200 oldest messages were left out")
