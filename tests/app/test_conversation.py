"""What the model reads of a conversation."""

from app.chats.conversation import Conversation


def test_turns_alternate_and_empty_ones_are_left_out():
    talk = Conversation()
    talk.add_user("One")
    talk.start_reply()
    talk.add_user("Two")
    assert talk.messages() == [{"role": "user", "content": "One\n\nTwo"}]


def test_a_reply_grows_by_pieces_and_keeps_their_origin():
    talk = Conversation()
    talk.add_user("Hi")
    reply = talk.start_reply()
    talk.extend_reply([("Hel", False), ("lo", True)])
    assert reply.text == "Hello"
    assert reply.pieces == [("Hel", False), ("lo", True)]
    assert talk.can_regenerate
    assert talk.messages()[-1] == {"role": "assistant", "content": "Hello"}


def test_a_taken_turn_can_be_put_back():
    talk = Conversation()
    talk.add_user("Hi")
    talk.start_reply()
    talk.extend_reply([("Hello", False)])
    taken = talk.take_last()
    assert not talk.can_regenerate
    talk.put_back(taken)
    assert talk.messages()[-1]["content"] == "Hello"
