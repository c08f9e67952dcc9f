"""Downloads from a real hub over real sockets; what goes wrong at random is in test_models_download_faults.py."""

import json
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from hub.fixtures import NAME
from hub.models import gguf, whole_repo
from hub.server import Fault, Repo

from app.models import credentials, download, journal, library, manifest, places
from app.models.download import Download, Progress
from app.models.halt import HaltedError
from app.models.hub_errors import TokenNeededError, TransientError
from app.models.transfer import Patience
from app.models.wanted import parse
from s3d_core.errors import ModelError

QUICK = Patience(tries=4, first_wait=0.01, longest_wait=0.05, silence=1.0)
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture(autouse=True)
def told_at_once(monkeypatch):
    """Downloads tell of every chunk."""
    monkeypatch.setattr(download, "_TELL_SECONDS", 0.0)


def fetch(name=NAME, report=None):
    return Download(parse(name), QUICK).run(report)


def refusal(name=NAME) -> ModelError:
    """The error that fetching ends with: one sentence or two, on one line, and nothing is offered as a model."""
    with pytest.raises(ModelError) as caught:
        fetch(name)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith((".", "/Tiny-Chat"))
    assert library.installed() == []
    return caught.value


def test_a_model_arrives_whole_with_its_manifest_and_nothing_else(hub):
    folder = fetch()
    repo = hub.repos[NAME]
    wanted = sorted({*repo.files} - {"README.md", "pytorch_model.bin", "onnx/model.onnx"})
    assert sorted(path.name for path in folder.iterdir()) == sorted([*wanted, manifest.NAME])
    for path in wanted:
        assert (folder / path).read_bytes() == repo.files[path]
        assert hub.sent[path] == len(repo.files[path])
    known = manifest.read(folder)
    assert (known.name, known.source, known.licence) == ("Tiny-Chat", f"hub {NAME}@{repo.commit}", "apache-2.0")
    assert {file.name for file in known.files} == set(wanted)
    assert [model.name for model in library.installed()] == ["Tiny-Chat"]
    assert journal.unfinished() == []


def test_what_is_here_is_not_fetched_again(hub):
    folder = fetch()
    hub.forget()
    assert fetch() == folder
    assert hub.requests == []


def test_a_damaged_file_is_fetched_again_and_the_others_are_not(hub):
    folder = fetch()
    hub.forget()
    with (folder / FIRST).open("r+b") as file:
        file.seek(50_000)
        file.write(b"damage")
    assert library.installed() == []
    fetch()
    assert {path for path, count in hub.sent.items() if count} == {FIRST}
    assert library.verify("Tiny-Chat").name == "Tiny-Chat"


def test_progress_counts_to_the_end(hub):
    hub.bytes_per_second = 400_000
    told: list[Progress] = []
    fetch(report=told.append)
    repo = hub.repos[NAME]
    total = sum(len(repo.files[path]) for path in repo.files if path not in ("README.md", "pytorch_model.bin")) - 20_000
    assert told[-1].done == told[-1].total == total
    assert [step.done for step in told] == sorted(step.done for step in told)
    under_way = [step for step in told if 0 < step.done < step.total]
    assert any(step.per_second > 0 and step.seconds_left for step in under_way)


def run_until_halted(going: Download) -> None:
    with pytest.raises(HaltedError):
        going.run()


def halted_after(count: int) -> Download:
    """A download that was halted when `count` bytes or some more had come."""
    going = Download(parse(NAME), QUICK)

    def report(step: Progress) -> None:
        if step.done >= count:
            going.halt.set()

    with pytest.raises(HaltedError):
        going.run(report)
    return going


def test_a_halted_download_goes_on_where_it_was(hub):
    hub.bytes_per_second = 400_000
    halted_after(70_000)
    assert library.installed() == []
    (left,) = journal.unfinished()
    assert 60_000 < left.here() < left.total
    hub.bytes_per_second = None
    told: list[Progress] = []
    fetch(report=told.append)
    assert told[1].done >= left.here() * 0.9
    held = sum(len(hub.repos[NAME].files[path]) for path in (FIRST, SECOND))
    assert hub.sent[FIRST] + hub.sent[SECOND] <= held + 2 * 16_384


def test_halting_does_not_wait_for_a_silent_hub(hub):
    hub.faults[FIRST].append(Fault("stall"))
    going = Download(parse(NAME), Patience(silence=60))
    thread = threading.Thread(target=run_until_halted, args=(going,))
    thread.start()
    deadline = time.monotonic() + 20
    while not hub.sent[FIRST] and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    began = time.monotonic()
    going.halt.set()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - began < 5


def test_cancelling_deletes_what_came(hub):
    hub.bytes_per_second = 400_000
    halted_after(30_000).discard()
    assert journal.unfinished() == []
    assert [p.name for p in journal.downloads_dir().iterdir() if p.is_dir()] == []


def test_cancelling_where_nothing_can_be_written_is_one_sentence(home):
    """It was an error of the system's, which ended the queue of downloads for good."""
    places.models_dir().mkdir(parents=True)
    journal.downloads_dir().write_text("a file, where a folder should be")
    with pytest.raises(ModelError, match="cannot be written"):
        Download(parse(NAME)).discard()


def test_after_a_power_cut_only_what_the_disk_kept_is_relied_on(hub, monkeypatch):
    """The tail that had not reached the disk comes back as rubbish of the right length."""
    hub.repos[NAME] = whole_repo(size=2_000_000)
    hub.bytes_per_second = 4_000_000
    monkeypatch.setattr(download, "_SYNC_BYTES", 50_000)
    halted_after(400_000)
    (left,) = journal.unfinished()
    (part,) = left.files.glob("*.part")
    synced = left.synced[part.name.removesuffix(".part")]
    assert synced >= 50_000
    with part.open("r+b") as file:
        file.seek(synced)
        file.write(bytes(part.stat().st_size - synced))
    text = (left.folder / "journal.json").read_text()
    (left.folder / "journal.json").write_text(text.replace(f'"boot": {left.boot}', f'"boot": {left.boot - 9999}'))
    hub.bytes_per_second = None
    fetch()
    assert library.verify("Tiny-Chat")
    assert hub.sent[FIRST] <= len(hub.repos[NAME].files[FIRST]) + 50_000 + 5 * 16_384


def test_the_commit_stays_pinned_when_the_branch_moves(hub):
    hub.bytes_per_second = 400_000
    halted_after(30_000)
    hub.bytes_per_second = None
    old = hub.repos[NAME]
    hub.repos[NAME] = Repo(old.files, commit=old.commit)
    hub.repos["someone/Other"] = whole_repo(seed=9)
    fetch()
    assert manifest.read(places.models_dir() / "Tiny-Chat").source.endswith(old.commit)


@pytest.mark.parametrize("kind", ["truncated", "reset", "drop", "stall", "wrong", "drip", "whole"])
def test_one_fault_of_each_kind_is_got_over(hub, kind):
    hub.faults[FIRST] += [Fault("truncated"), Fault(kind)] if kind == "whole" else [Fault(kind)]
    fetch()
    assert library.verify("Tiny-Chat")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_hub_that_is_busy_is_asked_again(hub, status):
    hub.faults["api"] += [Fault("status", status=status), Fault("rubbish")]
    hub.faults["config.json"].append(Fault("status", status=status))
    hub.faults[FIRST].append(Fault("status", status=status, retry_after=0))
    assert fetch().name == "Tiny-Chat"


def test_a_hub_that_asks_to_wait_is_waited_for(hub):
    hub.faults[FIRST].append(Fault("status", status=429, retry_after=1))
    troubles = []
    began = time.monotonic()
    fetch(report=lambda step: troubles.append(step.trouble))
    assert time.monotonic() - began >= 1
    assert any("asks to wait" in trouble for trouble in troubles)
    assert troubles[-1] == ""


def test_a_hub_that_never_answers_is_given_up_and_what_came_is_kept(hub):
    hub.faults[FIRST] += [Fault("truncated"), *[Fault("status")] * 8]
    assert "cannot answer now (HTTP 503). What has come is kept: resume later." in str(refusal())
    (left,) = journal.unfinished()
    assert left.here() > 60_000 * 0.4
    assert "kept" in left.problem
    hub.faults.clear()
    assert fetch()
    assert hub.sent[FIRST] <= 1.05 * len(hub.repos[NAME].files[FIRST])


def test_a_hub_that_asks_for_too_long_a_wait_is_given_up_at_once(hub):
    hub.faults["api"].append(Fault("status", status=429, retry_after=86_400))
    assert isinstance(refusal(), TransientError)


def test_wrong_content_twice_is_refused(hub):
    hub.faults[FIRST] += [Fault("wrong"), Fault("wrong", at=0.1)]
    assert f"{FIRST} did not arrive as it is listed" in str(refusal())
    assert not list(places.models_dir().glob(f".downloads/*/files/{FIRST}"))
    assert fetch()


def test_a_gated_model_says_where_its_terms_are_and_takes_a_token(hub, monkeypatch):
    hub.repos[NAME] = whole_repo(gated=True, allowed=("hf_right",))
    error = refusal()
    assert isinstance(error, TokenNeededError)
    assert error.page == f"{hub.address}/{NAME}"
    assert "is gated: accept its terms at" in str(error)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "your token has no access to it yet" in str(refusal())
    monkeypatch.delenv("HF_TOKEN")
    credentials.remember("hf_right")
    assert fetch()
    carried = {path: "Authorization" in headers for _, path, headers in hub.requests if "/lfs/" in path}
    assert carried
    assert not any(carried.values()), "the token went on to another host"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("someone/Nothing", "There is no model someone/Nothing on 127.0.0.1"),
        (NAME + "@v9", "has no such revision"),
        (NAME + "/x.gguf", "has no file x.gguf"),
    ],
)
def test_what_the_hub_does_not_have_is_said(hub, name, sentence):
    assert sentence in str(refusal(name))


def test_an_unknown_family_is_refused_before_its_weights_are_fetched(hub):
    repo = whole_repo()
    repo.files["config.json"] = json.dumps({"architectures": ["MambaForCausalLM"]}).encode()
    hub.repos[NAME] = Repo(repo.files)
    assert "Tiny-Chat is a MambaForCausalLM model; these families can be run" in str(refusal())
    assert {path for path, count in hub.sent.items() if count} == {"config.json"}
    assert journal.unfinished() == []


def test_a_lone_gguf_file_is_taken_and_its_family_checked(hub):
    hub.repos["someone/G"] = Repo({"sub/a.gguf": gguf(5000, 1)}, gguf={"architecture": "llama"})
    folder = fetch("someone/G")
    assert library.find("G") == folder / "a.gguf"
    hub.repos["someone/H"] = Repo({"h.gguf": gguf(5000, 1)}, gguf={"architecture": "bert"})
    with pytest.raises(ModelError, match="'bert' model"):
        fetch("someone/H")


def test_a_repo_with_several_gguf_files_asks_for_one(hub):
    hub.repos["someone/G"] = Repo({"a-q4.gguf": gguf(5000, 1), "a-q8.gguf": gguf(9000, 2)})
    with pytest.raises(ModelError, match=r"several models; add one of these to its name: a-q4\.gguf, a-q8\.gguf\."):
        fetch("someone/G")
    assert library.find(fetch("someone/G/a-q8.gguf").name).name == "a-q8.gguf"
    assert hub.sent["a-q4.gguf"] == 0


@pytest.mark.parametrize("files", [{"pytorch_model.bin": b"x" * 99, "config.json": b"{}"}, {"README.md": b"hi"}])
def test_a_repo_without_safe_weights_is_refused(hub, files):
    hub.repos[NAME] = Repo(files)
    assert "other formats can run code and are refused" in str(refusal())


def test_a_repo_whose_files_make_no_model_is_refused(hub):
    repo = whole_repo()
    repo.files["model-00001-of-00002.safetensors"] = b"\xff" * 20_000
    hub.repos[NAME] = Repo(repo.files)
    assert "damaged or is not a model file" in str(refusal())


def test_two_models_of_one_name_get_along(hub):
    hub.repos["other/Tiny-Chat"] = whole_repo(seed=5)
    assert fetch().name == "Tiny-Chat"
    assert fetch("other/Tiny-Chat").name == "Tiny-Chat-other"
    assert len(library.installed()) == 2
    assert fetch("other/Tiny-Chat").name == "Tiny-Chat-other"


def test_too_little_space_is_said_before_weights_are_fetched(hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10**9, used=10**9, free=10**6))
    assert "Tiny-Chat needs 0.06 GB more on the disk" in str(refusal())
    assert not hub.sent


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")
def test_a_disk_that_fills_up_is_one_sentence_and_what_came_is_kept(hub):
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from app.cli import main
sys.exit(main(["models", "pull", "someone/Tiny-Chat"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is full. What has come is kept: free some space, then resume." in done.stderr.splitlines()[-1]
    (left,) = journal.unfinished()
    assert left.here() >= 40_000
    before = dict(hub.sent)
    fetch()
    assert sum(hub.sent.values()) - sum(before.values()) <= left.total - left.here()


def test_two_programs_do_not_fetch_one_model_at_once(hub):
    hub.bytes_per_second = 200_000
    going = Download(parse(NAME), QUICK)
    thread = threading.Thread(target=run_until_halted, args=(going,))
    thread.start()
    deadline = time.monotonic() + 20
    while not hub.sent[FIRST] and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(ModelError, match="is being fetched by another S3D Chat"):
        fetch()
    going.halt.set()
    thread.join(10)
