"""A real server on a port of its own, with a backend that says what a test tells it to."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from app.server.service import Service
from s3d_core.settings import DraftSettings
from s3d_core.stats import ModelInfo, Round

KEY = "a-key-for-tests"
INFO = ModelInfo(
    name="Scripted-1M",
    path="/models/scripted",
    architecture="Llama",
    depth=6,
    most_skipped=4,
    most_drafted=8,
    context_limit=1000,
    device="cpu",
    dtype="float32",
    weight_bytes=1,
    adapter_bytes=0,
    defaults=DraftSettings(),
)


@dataclass
class ScriptedBackend:
    """Attributes:
    words: of every answer, three to a round. pause: seconds before each round.
    error: raised in the place of the round with the number `error_at`.
    asked: (prompt, sampling, draft) of each answer. rounds: how many were written, of all answers together.
    begun: set when an answer begins. may_go_on: answers wait for it before their second round.
    """

    info: ModelInfo | None = INFO
    plain_ms: float | None = 10.0
    words: list[str] = field(default_factory=lambda: [f"word{n} " for n in range(9)])
    pause: float = 0.0
    error: Exception | None = None
    error_at: int = 0
    asked: list[tuple] = field(default_factory=list)
    rounds: int = 0
    begun: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.may_go_on.set()

    def generate(self, prompt, sampling, draft, cancel) -> Iterator[Round]:
        self.asked.append((prompt, sampling, draft))
        self.begun.set()
        settings = DraftSettings(**draft)
        words = self.words[: sampling.max_tokens]
        for number, at in enumerate(range(0, len(words), 3)):
            while number == 1 and not self.may_go_on.wait(0.01) and not cancel():
                pass
            if cancel():
                yield Round((), (), 0, 0, 0, 0, 0.0, 0.0, 0.0, 20, settings, "cancelled")
                return
            if self.error is not None and number == self.error_at:
                raise self.error
            time.sleep(self.pause)
            part = words[at : at + 3]
            is_last = at + 3 >= len(words)
            reason = ("length" if len(words) < len(self.words) else "stop") if is_last else None
            pieces = tuple((word, index < 2) for index, word in enumerate(part))
            context = 20 + at + len(part)
            self.rounds += 1
            yield Round(tuple(range(len(part))), pieces, 8, 2, 4, 0, 1.0, 2.0, 4.0, context, settings, reason)


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
