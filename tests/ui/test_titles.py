"""A chat's title follows its first question."""

from ui.test_chats import listed, ready, texts, two_chats, wait_for

__all__ = ["two_chats"]


def test_the_title_follows_the_first_question_until_the_user_gives_another(two_chats, engine, qtbot):
    def edit_first(text: str) -> None:
        two_chats.session.edit(two_chats.conversation.turns[0].id, text)
        wait_for(qtbot, lambda: ready(two_chats))

    edit_first("Third")
    assert listed(two_chats) == ["Today", "Third", "First"]
    two_chats.session.show_branch(two_chats.conversation.turns[0].id, -1)
    assert texts(two_chats)[0] == "Second"
    edit_first("Fourth")
    assert listed(two_chats) == ["Today", "Fourth", "First"]
    two_chats.session.send("A later question")
    wait_for(qtbot, lambda: ready(two_chats))
    two_chats.session.edit(two_chats.conversation.turns[2].id, "Another later question")
    wait_for(qtbot, lambda: ready(two_chats))
    assert listed(two_chats) == ["Today", "Fourth", "First"]
    two_chats.session.store.rename(two_chats.conversation.chat_id, "Mine")
    edit_first("Fifth")
    assert listed(two_chats) == ["Today", "Mine", "First"]


def test_a_question_that_is_taken_back_takes_its_title_along(two_chats, engine, qtbot):
    engine.prompt_seconds = 30
    two_chats.session.edit(two_chats.conversation.turns[0].id, "Taken back")
    assert listed(two_chats)[1] == "Taken back"
    two_chats.stop()
    wait_for(qtbot, lambda: ready(two_chats))
    assert two_chats.chat.composer.text == "Taken back"
    assert texts(two_chats) == ["Second", "Two"]
    assert listed(two_chats) == ["Today", "Second", "First"]
