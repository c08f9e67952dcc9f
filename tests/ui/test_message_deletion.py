"""One message deleted with undo, and a second chat made of one, by real clicks."""

from ui.test_chats import LEFT, LONG, click_chat, listed, ready, texts, wait_for


def test_one_message_is_deleted_and_brought_back(window, engine, say, qtbot):
    for question in ("One", "Two"):
        engine.reply = f"About {question}"
        say(window, question)
    whole = ["One", "About One", "Two", "About Two"]
    assert texts(window) == whole
    for place in (1, 0, 3):
        qtbot.mouseClick(window.chat.transcript.messages[place].foot.delete, LEFT)
        assert texts(window) == [text for n, text in enumerate(whole) if n != place]
        assert window.chat.notice.text == "The message is deleted."
        assert [turn.text for turn in window.session.store.conversation(window.conversation.chat_id).turns] == texts(
            window
        )
        qtbot.mouseClick(window.chat.notice._action, LEFT)
        assert texts(window) == whole
    assert window.conversation.messages()[-1] == {"role": "assistant", "content": "About Two"}


def test_deleting_a_version_shows_another_one(window, engine, say, qtbot):
    engine.reply = "First version"
    say(window, "Question")
    engine.reply = "Second version"
    window.regenerate()
    wait_for(qtbot, lambda: ready(window))
    qtbot.mouseClick(window.chat.transcript.messages[1].foot.delete, LEFT)
    assert texts(window) == ["Question", "First version"]
    qtbot.mouseClick(window.chat.notice._action, LEFT)
    assert texts(window) == ["Question", "Second version"]
    assert window.chat.transcript.messages[1].foot.place.text() == "2/2"


def test_what_is_left_of_a_deleted_message_can_be_asked_on(window, engine, say, qtbot):
    engine.reply = "Answer"
    say(window, "Question")
    for _ in range(2):
        qtbot.mouseClick(window.chat.transcript.messages[-1].foot.delete, LEFT)
    assert texts(window) == []
    say(window, "Anew")
    assert texts(window) == ["Anew", "Answer"]
    assert engine.asked[-1] == [{"role": "user", "content": "Anew"}]


def test_nothing_is_deleted_while_an_answer_is_written(window, engine, say, qtbot):
    say(window, "Question")
    engine.reply = LONG
    say(window, "Long", wait=False)
    wait_for(qtbot, lambda: bool(window.chat.transcript.messages[-1].turn.message.text))
    assert not window.chat.transcript.messages[0].foot.delete.isEnabled()
    window.session.delete(window.chat.transcript.messages[0].turn.message.id)
    assert texts(window)[0] == "Question"
    window.stop()
    wait_for(qtbot, lambda: ready(window))


def test_a_deleted_message_comes_back_in_its_chat_from_another(window, engine, say, qtbot):
    engine.reply = "Answer"
    say(window, "Question")
    chat, message = window.conversation.chat_id, window.chat.transcript.messages[1].turn.message
    followers = window.session.store.take_out(message)
    window.new_chat()
    window.session._put_back(chat, message, followers)
    window.session.open_chat(chat)
    assert texts(window) == ["Question", "Answer"]


def test_a_chat_is_duplicated_and_the_copy_is_opened(window, engine, say, qtbot):
    engine.reply = "Two"
    say(window, "Second")
    menu = window.sidebar.menu_of(window.session.store.chat(window.conversation.chat_id), window)
    next(action for action in menu.actions() if action.text() == "Duplicate").trigger()
    assert listed(window)[1] == "Second (copy)"
    assert texts(window) == ["Second", "Two"]
    say(window, "More")
    click_chat(window, qtbot, "Second")
    assert texts(window) == ["Second", "Two"]
    menu.deleteLater()
