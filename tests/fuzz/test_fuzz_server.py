"""Any request gets an answer in OpenAI's form, and the server goes on."""

import http.client
import json
import socket

import pytest
from fuzz.budget import fuzz
from fuzz.bytes_and_json import JSON, changed_json, damaged
from hypothesis import strategies as st
from scripted_backend import KEY, ScriptedBackend

from app.server.service import Service

CHAT = {
    "model": "any",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ],
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 3,
    "stop": ["word3"],
    "max_tokens": 5,
    "stream": True,
    "stream_options": {"include_usage": True},
    "n": 1,
    "logit_bias": {},
    "tools": [],
    "response_format": {"type": "text"},
    "s3d": {"skipped": 2, "strategy": "skip"},
}
RAW = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
    b"Content-Type: application/json\r\nContent-Length: 62\r\n\r\n"
    b'{"messages": [{"role": "user", "content": "Hello"}], "n": 1}  \n'
)


@pytest.fixture(scope="module")
def service():
    service = Service(KEY, port=0)
    service.start(ScriptedBackend())
    yield service
    service.stop()
    service.join(20)


def place(service) -> tuple[str, int]:
    host, _, port = service.address.removeprefix("http://").removesuffix("/v1").partition(":")
    return host, int(port)


def ask(service, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*place(service), timeout=60)
    try:
        connection.request("POST", path, body, {"Authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def check_answer(status: int, content: bytes, is_stream: bool) -> None:
    if status == 200 and is_stream:
        assert content.endswith(b"data: [DONE]\n\n")
    elif status == 200:
        assert json.loads(content)["choices"]
    else:
        assert 400 <= status < 500, (status, content)
        error = json.loads(content)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]


@fuzz(st.sampled_from(["/v1/chat/completions", "/v1/completions"]), st.one_of(JSON, changed_json(CHAT)), examples=80)
def test_any_request_is_answered_in_openais_form(service, path, request):
    if path == "/v1/completions" and isinstance(request, dict):
        request = {name: value for name, value in request.items() if name != "messages"} | {"prompt": "Once"}
    status, content = ask(service, path, json.dumps(request).encode())
    check_answer(status, content, isinstance(request, dict) and request.get("stream") is True)


@fuzz(st.one_of(st.binary(max_size=300), damaged(json.dumps(CHAT).encode(), 400)), examples=60)
def test_any_body_is_answered(service, body):
    status, content = ask(service, "/v1/chat/completions", body)
    check_answer(status, content, content.startswith(b"data: "))


@fuzz(st.one_of(st.binary(max_size=200), damaged(RAW, 250)), examples=60)
def test_any_bytes_leave_the_server_alive_and_the_key_untold(service, caplog, content):
    with socket.create_connection(place(service), timeout=60) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert KEY.encode() not in said
    assert KEY not in caplog.text
    assert b"Traceback" not in said
    connection = http.client.HTTPConnection(*place(service), timeout=60)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
