import json
import time

from app.models import embedded


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
