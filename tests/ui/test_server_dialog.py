"""The switch of the local server: the window's model, asked by OpenAI's own client."""

import socket
import threading

import openai
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLineEdit
from ui.conftest import PATIENCE_MS

from app.engine.phase import Phase

ASK = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def dialog(window, home, qtbot):
    """The server's window, opened from the menu, with the server on."""
    window.topbar.server_action.trigger()
    dialog = window.server
    qtbot.waitExposed(dialog)
    dialog.port.setValue(free_port())
    qtbot.mouseClick(dialog.button, Qt.MouseButton.LeftButton)
    assert dialog.state.text() == "The server is on."
    return dialog


def client_of(dialog) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=dialog.address.text(), api_key=dialog.switch.key, max_retries=0, timeout=PATIENCE_MS / 1000
    )


def test_the_windows_model_answers_and_the_window_stays_ready(window, dialog, engine):
    with client_of(dialog) as client:
        assert [model.id for model in client.models.list().data] == ["Scripted-135M"]
        answer = client.chat.completions.create(**ASK)
    assert answer.choices[0].message.content == engine.reply
    assert answer.model_extra["s3d"]["plain_tokens_per_second"] == 100
    assert engine.asked == [ASK["messages"]]
    assert engine.seen[-1] == window.link.settings.value
    assert window.link.phase == Phase.READY
    assert window.conversation.turns == []


def test_the_menu_tells_that_it_is_on_and_off_ends_it(window, dialog, qtbot):
    assert window.topbar.server_action.text().startswith("Serving")
    address = dialog.address.text()
    with client_of(dialog) as client:
        qtbot.mouseClick(dialog.button, Qt.MouseButton.LeftButton)
        assert dialog.state.text() == "The server is off."
        assert window.topbar.server_action.text().startswith("Serve ")
        with pytest.raises(openai.APIConnectionError):
            client.models.list()
    assert address
    assert dialog.address.text() == dialog.key.text() == ""


def test_the_key_is_hidden_and_copied(dialog, qtbot, home):
    assert dialog.key.echoMode() == QLineEdit.EchoMode.Password
    qtbot.mouseClick(dialog.copy_key, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == (home / "server-key").read_text().strip()
    qtbot.mouseClick(dialog.copy_address, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == dialog.address.text()


def test_a_message_of_the_user_waits_for_an_answer_that_is_being_served(window, dialog, engine, say, qtbot):
    engine.reply, engine.tokens_per_second = "slow " * 60, 100.0
    with client_of(dialog) as client, client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
        say(window, "And me?", wait=False)
        served = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert served.endswith("slow ")
    assert window.conversation.turns[-1].text == engine.reply
    assert [asked[-1]["content"] for asked in engine.asked] == ["Hello", "And me?"]


def test_stop_in_the_window_ends_the_windows_answer_alone(window, dialog, engine, say, qtbot):
    engine.reply, engine.tokens_per_second = "slow " * 80, 100.0
    with client_of(dialog) as client, client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
        say(window, "And me?", wait=False)
        window.stop()
        assert list(stream)[-1].choices[0].finish_reason == "stop"
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)
    assert len(engine.asked) == 1


def test_another_model_in_the_window_ends_what_is_being_served(window, dialog, engine, qtbot):
    engine.reply, engine.tokens_per_second = "slow " * 4000, 100.0
    with client_of(dialog) as client, client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
        window.link.load(window.topbar.models.itemData(0))
        with pytest.raises(openai.APIError, match="stopped in the window"):
            list(stream)
    qtbot.waitUntil(lambda: window.link.phase == Phase.READY, timeout=PATIENCE_MS)


def test_without_a_model_programs_are_told(window, dialog, qtbot):
    window.link.unload()
    qtbot.waitUntil(lambda: window.link.phase == Phase.EMPTY, timeout=PATIENCE_MS)
    with client_of(dialog) as client, pytest.raises(openai.InternalServerError, match="load one in the window"):
        client.chat.completions.create(**ASK)


def test_closing_the_window_ends_an_answer_that_is_being_served(window, dialog, engine, qtbot):
    engine.reply, engine.tokens_per_second = "slow " * 4000, 100.0
    ended = []

    def ask():
        with client_of(dialog) as client:
            try:
                list(client.chat.completions.create(**ASK, stream=True))
            except openai.APIError as error:
                ended.append(error)

    program = threading.Thread(target=ask)
    program.start()
    qtbot.waitUntil(lambda: bool(engine.seen), timeout=PATIENCE_MS)
    with qtbot.waitSignal(window.closed, timeout=PATIENCE_MS):
        window.close()
    program.join(PATIENCE_MS / 1000)
    assert len(ended) == 1
    assert not dialog.switch.is_on


def test_a_port_in_use_is_said_and_another_can_be_chosen(window, home, qtbot):
    dialog = window.server
    dialog.show()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dialog.port.setValue(taken.getsockname()[1])
        qtbot.mouseClick(dialog.button, Qt.MouseButton.LeftButton)
    assert "choose another port" in dialog.state.text()
    assert dialog.port.isEnabled()
    assert dialog.button.text() == "Start serving"
