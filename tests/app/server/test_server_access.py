"""Who is let in: the key, the name of the server, and web pages."""

import asyncio
import stat
import sys
import urllib.request

import pytest

from app.server import key as keys
from app.server.errors import ServerError
from app.server.gate import HostAndOrigin
from app.server.service import Service

ASK = {"messages": [{"role": "user", "content": "Hello"}]}


def test_the_server_s_loop_is_its_own_whatever_the_program_s_loop_is(serve, monkeypatch):
    """Beside the window asyncio's usual loop is Qt's, in which a server's thread ended at once."""

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self):
            raise AssertionError("the program's loop was asked for")

    monkeypatch.setattr(asyncio.events, "_event_loop_policy", Policy())
    service = serve()
    with urllib.request.urlopen(service.address.removesuffix("/v1") + "/health", timeout=30) as told:
        assert told.read() == b'{"status":"ok"}'


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer wrong", "a-key-for-tests", "Basic a-key-for-tests", "Bearer a-key-for-test", "\xff"]
)
def test_without_the_key_nothing_under_v1_is_told(send, backend, shown):
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("GET", "/nowhere")):
        answered = send(method, path, ASK if method == "POST" else None, {"Authorization": shown})
        assert answered.status == 401
        assert answered.error["code"] == "invalid_api_key"
        assert b"Scripted" not in answered.content
    assert backend.asked == []


def test_the_health_of_the_server_needs_no_key(send, backend):
    assert send("GET", "/health", headers={"Authorization": ""}).content == b'{"status":"ok"}'
    backend.info = None
    assert send("GET", "/health", headers={"Authorization": ""}).content == b'{"status":"no model"}'


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8733", "localhost.evil.example", "192.168.1.5", "[::2]"]
)
def test_another_name_than_ours_is_refused_as_after_dns_rebinding(send, backend, host):
    answered = send("POST", "/v1/chat/completions", ASK, {"Host": host})
    assert answered.status == 403
    assert "Host header" in answered.error["message"]
    assert backend.asked == []


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8733", "127.8.8.8", "[::1]:8733", "localhost."]
)
def test_our_own_names_are_let_in(send, host):
    assert send("GET", "/v1/models", headers={"Host": host}).status == 200


def test_a_server_for_other_computers_goes_by_its_addresses_and_names_that_are_given():
    open_to_all = HostAndOrigin(None, is_local=False, hosts=["Chat.Home"])
    for host in ("192.168.1.5:8733", "[fe80::1]", "chat.home:8733"):
        assert open_to_all.is_ours(host)
    for host in ("evil.example", "192.168.1.5.evil.example", "chat.home.evil", ""):
        assert not open_to_all.is_ours(host)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3000", ""])
def test_web_pages_are_refused_and_get_no_cors_headers(send, backend, origin):
    for method in ("POST", "OPTIONS"):
        answered = send(method, "/v1/chat/completions", ASK, {"Origin": origin})
        assert answered.status == 403
        assert not [name for name in answered.headers if name.lower().startswith("access-control")]
    assert backend.asked == []


def test_an_invited_page_may_ask_with_the_key_and_no_other_page_may(serve, send):
    service = serve(origins=["https://chat.example"])
    invited = {"Origin": "https://chat.example"}
    ahead = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    asked = send("OPTIONS", "/v1/chat/completions", None, invited | ahead | {"Authorization": ""}, to=service)
    assert asked.status == 200
    assert asked.headers["Access-Control-Allow-Origin"] == "https://chat.example"
    assert send("POST", "/v1/chat/completions", ASK, invited, to=service).status == 200
    assert send("POST", "/v1/chat/completions", ASK, invited | {"Authorization": ""}, to=service).status == 401
    assert send("GET", "/v1/models", None, {"Origin": "https://other.example"}, to=service).status == 403


def test_a_key_is_made_once_and_only_its_owner_can_read_it(home):
    key, source = keys.find()
    assert keys.find() == (key, source)
    assert len(key) > 40
    assert source == str(home / "server-key")
    if sys.platform != "win32":
        assert stat.S_IMODE((home / "server-key").stat().st_mode) == 0o600


def test_a_given_key_is_taken_from_the_environment_or_a_file(home, tmp_path, monkeypatch):
    monkeypatch.setenv("S3D_API_KEY", "from-the-environment")
    assert keys.find() == ("from-the-environment", "$S3D_API_KEY")
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    assert keys.find(file) == ("from-a-file", str(file))
    assert not home.exists()


@pytest.mark.parametrize("bad", ["", "short", "with space in it", "läuft-nicht-gut", "line\nbreak-inside"])
def test_a_key_that_no_header_can_carry_is_refused(home, tmp_path, bad):
    file = tmp_path / "key"
    file.write_text(bad, encoding="utf-8")
    with pytest.raises(ServerError, match="must be 8 or more letters") as caught:
        keys.find(file)
    assert not bad or bad not in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(ServerError, match="cannot be read or made"):
        keys.find(tmp_path)


def test_it_listens_on_this_computer_alone_unless_told_otherwise():
    service = Service("some-key", port=0)
    try:
        assert service.is_local
        assert service.address.startswith("http://127.0.0.1:")
        port = service.address.removesuffix("/v1").rpartition(":")[2]
        with pytest.raises(ServerError, match=rf"Port {port} of 127\.0\.0\.1 cannot be used"):
            Service("some-key", port=int(port))
    finally:
        service.close()
    everywhere = Service("some-key", host="0.0.0.0", port=0)
    assert not everywhere.is_local
    everywhere.close()


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 70_000), ("127.0.0.1", -1)])
def test_an_address_that_cannot_be_is_said(host, port):
    with pytest.raises(ServerError, match="There is no"):
        Service("some-key", host=host, port=port)
