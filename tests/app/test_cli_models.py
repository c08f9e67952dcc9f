import json
import signal
import subprocess
import sys
import time

import pytest
from hub.fixtures import NAME
from hub.models import gguf

from app.models import embedded


@pytest.mark.alone
def test_help_comes_at_once_and_names_every_command(s3d):
    began = time.monotonic()
    done = s3d("--help")
    assert done.returncode == 0
    for command in ("ask", "chat", "bench", "train", "models"):
        assert command in done.stdout
    assert time.monotonic() - began < 5


def test_an_empty_library_says_how_to_get_a_model(s3d, home):
    done = s3d("models")
    assert done.returncode == 0
    assert "s3d models pull" in done.stdout
    assert json.loads(s3d("models", "list", "--json").stdout) == []


def test_pull_fetches_the_default_model_once(s3d, home):
    first = s3d("models", "pull")
    assert first.returncode == 0, first.stderr
    assert "Fetching the default model" in first.stderr
    second = s3d("models", "pull")
    assert second.returncode == 0
    assert "Fetching" not in second.stderr
    rows = json.loads(s3d("models", "--json").stdout)
    assert [(row["name"], row["bytes"]) for row in rows] == [(embedded.DEFAULT_NAME, embedded.BYTES)]
    assert rows[0]["path"] == str(embedded.path())


def test_the_list_shows_name_size_and_place(s3d, home_with_model):
    done = s3d("models")
    assert done.stdout.split()[:3] == [embedded.DEFAULT_NAME, "98.4", "MB"]
    assert str(embedded.path()) in done.stdout


def test_the_catalogue_is_listed_by_name(s3d, home):
    done = s3d("models", "list", "--available")
    assert "Phi-3-mini-4k-instruct" in done.stdout
    rows = json.loads(s3d("models", "list", "--available", "--json").stdout)
    assert {"name", "repo", "shape", "gated", "licence"} <= set(rows[0])


def test_pull_verify_and_remove_a_model_of_the_hub(s3d, hub):
    pulled = s3d("models", "pull", NAME, "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert "Fetching model-00002-of-00002.safetensors" in pulled.stderr
    (row,) = json.loads(pulled.stdout)
    assert (row["name"], row["licence"]) == ("Tiny-Chat", "apache-2.0")
    assert s3d("models", "verify").stdout == "Tiny-Chat is whole.\n"
    asked = s3d("models", "remove", "Tiny-Chat")
    assert asked.returncode == 1
    assert "add --yes" in asked.stderr
    removed = s3d("models", "remove", "Tiny-Chat", "--yes", "--json")
    assert json.loads(removed.stdout) == {"removed": "Tiny-Chat", "files_deleted": True}
    assert json.loads(s3d("models", "--json").stdout) == []


def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(hub):
    hub.bytes_per_second = 60_000
    command = [sys.executable, "-m", "app.cli", "models", "pull", NAME]
    pull = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while sum(hub.sent.values()) < 60_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    pull.send_signal(signal.SIGINT)
    _, said = pull.communicate(timeout=30)
    assert pull.returncode == 130
    assert said.splitlines()[-1] == "Stopped. What has come is kept: run the same command again to go on."
    hub.bytes_per_second = None
    assert subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    assert sum(hub.sent.values()) <= 1.05 * sum(map(len, hub.repos[NAME].files.values()))


def test_import_in_place_and_a_bad_import(s3d, home, tmp_path):
    (tmp_path / "small.gguf").write_bytes(gguf(500, 1))
    done = s3d("models", "import", str(tmp_path / "small.gguf"), "--in-place", "--json")
    assert json.loads(done.stdout)["in_place"] is True
    bad = s3d("models", "import", str(home))
    assert bad.returncode == 1
    assert len(bad.stderr.splitlines()) == 1
