"""Fixtures that several folders of tests take; tests/conftest.py names this module."""

from collections.abc import Iterator

import pytest
from hub.models import whole_repo
from hub.server import HubServer

NAME = "someone/Tiny-Chat"


@pytest.fixture
def hub(monkeypatch, home, tmp_path) -> Iterator[HubServer]:
    """A hub with one model, which is where this process and its children look for models."""
    from app.models import credentials

    with HubServer({NAME: whole_repo()}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(credentials, "_in_memory", None)
        fresh_session()
        yield server
    fresh_session()


def fresh_session() -> None:
    """Have the client forget its connections and look at its settings again."""
    from huggingface_hub.utils import close_session

    close_session()
