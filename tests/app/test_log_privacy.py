"""Whichever way a chat goes through the program, an error that quotes it is logged without it."""

import logging

import pytest
from logged import started_log
from scripted_backend import KEY, ScriptedBackend
from server.conftest import end
from ui.scripted import ScriptedEngine, scripted_parts

from app.chats.overflow import ContextPlan
from app.diagnostics import log
from app.diagnostics.private import Private
from app.engine.link import EngineLink
from app.engine.phase import Phase
from app.server import backend, requests
from app.server.service import Service
from s3d_core.settings import DraftSettings, SamplingSettings

PATIENCE_MS = 60_000
SECRET = "My sister Ottilie lives in Wuppertal."
ANSWER = "Her door code is 4711, as you may recall."
CHAT = [{"role": "user", "content": SECRET}]


class Quoting(ScriptedEngine):
    """An engine that quotes what it reads and what it has written."""

    def __init__(self):
        super().__init__(reply=ANSWER, tokens_per_second=10_000)

    def generate(self, *given, **named):
        yield from super().generate(*given, **named)
        raise RuntimeError(f"choked on {SECRET!r} and {ANSWER!r}")

    def count_text(self, text):
        raise RuntimeError(f"choked on {text!r} and {ANSWER!r}")


@pytest.fixture
def written(home, monkeypatch):
    """Starts the log in an empty home, with no chat known to it; gives what is in it."""
    fresh = Private()
    for module in ("diagnostics.log", "diagnostics.private", "engine.worker", "engine.compare", "server.backend"):
        monkeypatch.setattr(f"app.{module}.private", fresh)
    with started_log(home) as read:
        yield read


@pytest.fixture
def link(qtbot):
    link = EngineLink(scripted_parts(Quoting()))
    link.start()
    qtbot.waitUntil(lambda: link.phase == Phase.READY, timeout=PATIENCE_MS)
    yield link
    with qtbot.waitSignal(link.closed, timeout=PATIENCE_MS):
        link.close()


def check(text: str) -> None:
    assert "choked on" in text
    for private in ("Ottilie", "Wuppertal", "4711", "recall"):
        assert private not in text


def test_an_error_is_logged_without_the_text_of_an_answer(link, written, qtbot):
    with qtbot.waitSignal(link.failed, timeout=PATIENCE_MS):
        link.ask(CHAT, SamplingSettings())
    check(written())


def test_an_error_is_logged_without_the_text_of_a_comparison(link, written, qtbot):
    with qtbot.waitSignal(link.failed, timeout=PATIENCE_MS):
        link.compare(DraftSettings(), CHAT, SamplingSettings(), ContextPlan())
    check(written())


def test_an_error_is_logged_without_the_text_that_is_counted_while_it_is_typed(link, written, qtbot):
    with qtbot.waitSignal(link.failed, timeout=PATIENCE_MS):
        link.count([], [SECRET, ANSWER])
    check(written())


def test_an_error_is_logged_without_what_another_program_asks(written):
    with pytest.raises(RuntimeError) as raised:
        list(backend.answer(Quoting(), CHAT, SamplingSettings(), DraftSettings, lambda: False))
    logging.getLogger("test").error("unexpected error", exc_info=raised.value)
    check(written())


def test_an_error_is_logged_without_a_request_that_breaks_off_before_it_is_understood(written, monkeypatch):
    import http.client

    def broken(body, *given):
        raise RuntimeError(f"choked on {body['messages']}")

    monkeypatch.setattr(requests, "chat", broken)
    service = Service(KEY, port=0)
    service.start(ScriptedBackend())
    try:
        place = service.address.removeprefix("http://").removesuffix("/v1")
        connection = http.client.HTTPConnection(place, timeout=60)
        body = f'{{"messages": [{{"role": "user", "content": "{SECRET}"}}]}}'
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        assert response.status == 500
        assert b"Ottilie" not in response.read()
        connection.close()
    finally:
        end(service)
    check(written())


def test_a_server_in_the_terminal_logs_no_chat_either(written, capsys):
    before = logging.getLogger().handlers[:]
    log.log_to_terminal()
    try:
        log.private.remember(SECRET)
        logging.getLogger("test").error("choked on %r", SECRET)
    finally:
        for handler in logging.getLogger().handlers[:]:
            if handler not in before:
                logging.getLogger().removeHandler(handler)
    check(capsys.readouterr().err)
