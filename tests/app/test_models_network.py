"""What surrounds a download: names, offline mode, certificates, proxies, and the cache that programs share."""

import os
import subprocess
import sys

import pytest
from hub.fixtures import NAME, fresh_session
from hub.models import whole_repo
from hub.server import HubServer

from app.models import library
from app.models.download import Download
from app.models.hub_errors import HubError
from app.models.transfer import Patience
from app.models.wanted import Wanted, parse
from s3d_core.errors import ModelError

QUICK = Patience(tries=3, first_wait=0.01, longest_wait=0.05, silence=5.0)
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def fetch():
    return Download(parse(NAME), QUICK).run()


def refusal() -> ModelError:
    """The error that fetching ends with; nothing is offered as a model."""
    with pytest.raises(ModelError) as caught:
        fetch()
    assert "\n" not in str(caught.value)
    assert library.installed() == []
    return caught.value


def test_offline_mode_is_said_and_nothing_is_sent(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "Offline mode is on (HF_HUB_OFFLINE)" in str(refusal())
    assert hub.requests == []


def test_no_network_is_said(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "127.0.0.1:9 cannot be reached: check the network." in str(refusal())


def test_a_hub_that_cannot_prove_who_it_is_is_not_talked_to(home, monkeypatch, tmp_path):
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with HubServer({NAME: whole_repo()}, tls=context) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        fresh_session()
        error = refusal()
        assert isinstance(error, HubError)
        assert "could not prove who it is" in str(error)
        assert server.requests == []
        # With the authority among those that are trusted, the same hub is.
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        fresh_session()
        assert fetch()
    fresh_session()


def test_the_systems_proxy_is_used(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", hub.address)
    monkeypatch.setenv("no_proxy", "localhost")
    fresh_session()
    assert fetch()
    assert all(headers["Host"].startswith(("hub.invalid", "localhost")) for _, _, headers in hub.requests)


def test_a_file_in_the_shared_cache_is_copied_instead(hub, tmp_path):
    from huggingface_hub import hf_hub_download

    repo = hub.repos[NAME]
    cache = tmp_path / "hf" / "hub"
    for path in (FIRST, "tokenizer.json"):
        hf_hub_download(NAME, path, revision=repo.commit, endpoint=hub.address, cache_dir=cache)
    hub.forget()
    script = f"import sys; from app.cli import main; sys.exit(main(['models', 'pull', {NAME!r}]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert hub.sent[FIRST] == hub.sent["tokenizer.json"] == 0
    assert hub.sent[SECOND] == len(repo.files[SECOND])
    assert library.verify("Tiny-Chat")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("microsoft/Phi-3-mini-4k-instruct", Wanted("microsoft/Phi-3-mini-4k-instruct")),
        (" https://huggingface.co/a/b ", Wanted("a/b")),
        ("https://huggingface.co/a/b/tree/v2", Wanted("a/b", "v2")),
        ("a/b@v1.0", Wanted("a/b", "v1.0")),
        ("a/b/c.gguf", Wanted("a/b", "main", "c.gguf")),
        ("https://huggingface.co/a/b/resolve/main/x/c%20d.gguf?download=true", Wanted("a/b", "main", "x/c d.gguf")),
    ],
)
def test_a_model_is_asked_for_by_name_or_address(text, wanted):
    assert parse(text) == wanted


@pytest.mark.parametrize("text", ["", "phi", "a/b/c", "../../etc/passwd", "a/..", "a/b/../../c.gguf", "/", "a b/c"])
def test_what_is_no_name_is_said(text):
    with pytest.raises(ModelError, match="is no model on the hub: give it as owner/name"):
        parse(text)
