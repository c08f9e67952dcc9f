"""A real server on a port of its own, with a scripted backend."""

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from scripted_backend import KEY, ScriptedBackend

from app.server.service import Service


@pytest.fixture(scope="session")
def common() -> Iterator[tuple[ScriptedBackend, Service]]:
    """One server as it starts without options, for all tests that leave it as it was."""
    backend, service = ScriptedBackend(), Service(KEY, port=0)
    service.start(backend)
    yield backend, service
    end(service)


def end(service: Service) -> None:
    """Stop a server, checked to be gone."""
    service.stop()
    service.join(20)
    assert not service.is_running


@pytest.fixture
def backend(common) -> Iterator[ScriptedBackend]:
    """What answers; a test may change it at any time."""
    fresh = common[0]
    fresh.__init__()
    yield fresh
    fresh.may_go_on.set()


@pytest.fixture
def service(common, backend) -> Service:
    """A server as it starts without options. A test that stops one starts its own by `serve`."""
    return common[1]


@pytest.fixture
def serve(backend) -> Iterator[Callable[..., Service]]:
    """Starts servers with the options of `Service`; ends them afterwards."""
    started: list[Service] = []

    def start(**options: Any) -> Service:
        service = Service(KEY, port=0, **options)
        started.append(service)
        service.start(backend)
        return service

    yield start
    backend.may_go_on.set()
    for service in started:
        end(service)


@pytest.fixture
def client(service) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, which knows the key."""
    with openai.OpenAI(base_url=service.address, api_key=KEY, max_retries=0, timeout=30) as made:
        yield made


@dataclass
class Answered:
    """A response: its status, headers and body."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def error(self) -> dict:
        """OpenAI's error object, checked to be one."""
        body = json.loads(self.content)
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["message"].endswith((".", "`.", "supplied: " + str(body["error"]["param"])))
        return body["error"]


@pytest.fixture
def send(service) -> Callable[..., Answered]:
    """Sends a bare request to the server, with the key unless `headers` say otherwise."""

    def send_it(method: str, path: str, body: Any = None, headers: dict | None = None, to: Service | None = None):
        place = (to or service).address.removeprefix("http://").removesuffix("/v1")
        connection = http.client.HTTPConnection(place, timeout=30)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, {"Authorization": f"Bearer {KEY}"} | (headers or {}))
            response = connection.getresponse()
            return Answered(response.status, response.headers, response.read())
        finally:
            connection.close()

    return send_it
