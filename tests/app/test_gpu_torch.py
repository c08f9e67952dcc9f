"""PyTorch for the GPU: chosen by the driver, fetched from an index on this machine, checked, tried, put in front."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from hub.server import Fault
from hub.torch_index import Index, torch_wheel, wheel

from app.gpu_torch import builds, driver, fetch, store, trial, unpack
from app.gpu_torch.driver import Driver
from app.gpu_torch.errors import GpuTorchError
from app.gpu_torch.front import BROKE_OFF, CANNOT_LOAD
from app.models.halt import HaltedError
from app.models.transfer import Patience
from s3d_core.errors import S3DError

ROOT = Path(__file__).resolve().parents[2]
HASTE = Patience(tries=3, first_wait=0.01, longest_wait=0.02, silence=5.0)


@pytest.fixture
def gpu(monkeypatch):
    """A driver that answers; what it says can be changed by name."""
    said = {"cuda": 12060, "capability": (8, 9)}
    for name, answer in {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetCudaDriverVersion": lambda: said["cuda"],
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda device: "NVIDIA RTX 4090",
        "nvmlDeviceGetCudaComputeCapability": lambda device: said["capability"],
    }.items():
        monkeypatch.setattr(pynvml, name, answer)
    return said


@pytest.fixture
def server(hub, monkeypatch):
    """The server, as the place of the index."""
    monkeypatch.setenv("S3D_TORCH_INDEX", f"{hub.address}/whl")
    return hub


def brought() -> store.State:
    return fetch.Fetch(HASTE).run(lambda progress: None)


def refusal() -> str:
    with pytest.raises(S3DError) as error:
        brought()
    assert "\n" not in str(error.value)
    return str(error.value)


def fetched(server, index: Index) -> int:
    return server.sent[index.path(index.torch_name)]


def next_start(script: str = "print(importlib.util.find_spec('torch').origin)") -> tuple[str, str]:
    """What another process of the program prints in the end, and the sentence it has for the user."""
    code = f"""
import importlib.util, json
from app.gpu_torch import front
front.put_in_front()
{script}
print(json.dumps(front.said))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    lines = done.stdout.splitlines() or [done.stderr]
    return lines[0], json.loads(lines[-1]) if done.returncode == 0 else ""


# -- choosing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuda", "capability", "names"),
    [
        ((13, 0), (8, 9), ["cu130", "cu128", "cu126"]),
        ((12, 9), (12, 0), ["cu128"]),
        ((12, 6), (8, 9), ["cu126"]),
        ((12, 2), (8, 6), ["cu126"]),
        ((13, 1), (6, 1), ["cu126"]),
    ],
    ids=["new driver", "Blackwell", "driver of CUDA 12.6", "driver of CUDA 12.2", "Pascal under a new driver"],
)
def test_the_build_goes_with_the_driver_and_the_gpu(cuda, capability, names):
    found = builds.load().matching(Driver("a GPU", cuda, capability))
    assert [build.name for build in found] == names


@pytest.mark.parametrize(
    ("cuda", "capability", "said"),
    [
        ((11, 8), (8, 6), "knows CUDA 11.8, and PyTorch for the a GPU needs one that knows 12.0: update the driver"),
        ((12, 6), (12, 0), "needs one that knows 12.8: update the driver"),
        ((13, 0), (3, 5), "no build for the a GPU (compute capability 3.5)"),
    ],
)
def test_where_no_build_goes_with_it_one_sentence_says_why(cuda, capability, said):
    with pytest.raises(GpuTorchError) as error:
        builds.load().matching(Driver("a GPU", cuda, capability))
    assert said in str(error.value)


def test_the_table_is_of_the_pinned_version_and_the_public_index():
    table = builds.load()
    assert f"torch=={table.torch}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert table.index == "https://download.pytorch.org/whl"


def test_without_a_driver_nothing_is_found():
    # This machine's own NVML, or the lack of it.
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert driver.look() is None
        assert "No NVIDIA driver answers" in refusal()
    else:
        pynvml.nvmlShutdown()


# -- fetching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["html", "json"])
def test_it_is_fetched_checked_unpacked_and_in_front_at_the_next_start(server, gpu, form):
    index = Index(server, form=form).publish()
    seen = []
    state = fetch.Fetch(HASTE).run(seen.append)
    assert state.torch == "2.13.0+cu126"
    assert state.gpu == "NVIDIA RTX 4090"
    assert set(state.libraries) == {"torch/lib/libtorch_cuda.so", "nvidia/fast/lib/fast.so", "nvidia/also/also.so"}
    assert not (state.folder / "torch/include").exists()
    assert not store.coming().exists()
    assert seen[-1].done == seen[-1].total == sum(len(body) for body in index.chosen())
    assert next_start() == (str(state.folder / "torch/__init__.py"), "")
    # The hub's token, or any other, is not for an index.
    assert not [
        headers for _, path, headers in server.requests if "authorization" in {name.lower() for name in headers}
    ]


def test_the_next_best_build_is_taken_where_the_index_lacks_the_best(server, gpu):
    gpu["cuda"] = 13000
    Index(server, "cu128").publish()
    assert brought().torch == "2.13.0+cu128"


@pytest.mark.parametrize("kind", ["truncated", "reset", "status", "drop"])
def test_a_broken_connection_costs_nothing_that_came(server, gpu, kind):
    index = Index(server).publish()
    server.faults[index.path(index.torch_name)].append(Fault(kind))
    brought()
    assert fetched(server, index) <= len(index.files["torch"][index.torch_name]) * 1.1


def test_a_halted_one_goes_on_where_it_was_with_what_was_pinned(server, gpu):
    index = Index(server).publish()
    running = fetch.Fetch(HASTE)

    def stop(progress) -> None:
        if progress.done > 100_000:
            running.halt.set()

    with pytest.raises(HaltedError):
        running.run(stop)
    plan = fetch.unfinished()
    assert plan is not None
    assert 100_000 < fetch.here(plan) < plan.total
    # Another list now would name other digests; the pinned ones count.
    for path in [path for path in server.plain if path.startswith("/whl/")]:
        del server.plain[path]
    before = fetched(server, index)
    assert brought().torch == "2.13.0+cu126"
    assert fetched(server, index) - before < len(index.files["torch"][index.torch_name]) - 90_000


def test_content_that_is_not_what_was_pinned_is_refused(server, gpu):
    index = Index(server).publish()
    server.faults[index.path(index.torch_name)].extend([Fault("wrong"), Fault("wrong")])
    assert f"{index.torch_name} did not arrive as it is listed" in refusal()
    assert store.read() is None
    # Once may be the network's fault.
    server.faults[index.path(index.torch_name)].append(Fault("wrong"))
    assert brought().torch == "2.13.0+cu126"


def test_metadata_that_is_not_what_is_listed_is_refused(server, gpu):
    index = Index(server).publish()
    server.plain[index.path(index.torch_name) + ".metadata"] = ("text/plain", b"Requires-Dist: nvidia-evil\n")
    assert "is not what" in refusal()


def test_a_file_without_a_digest_is_not_fetched(server, gpu):
    index = Index(server)
    index.publish(without_digest=index.torch_name)
    assert f"tells no digest of {index.torch_name}" in refusal()
    assert fetched(server, index) == 0


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://example.org/whl", "is not an https address"),
        ("ftp://localhost/whl", "is not an https address"),
        ("http://127.0.0.1:9/whl", "cannot be reached: check the network. What has come is kept: resume later."),
    ],
)
def test_an_index_that_cannot_be_used_is_said(home, gpu, monkeypatch, address, said):
    monkeypatch.setenv("S3D_TORCH_INDEX", address)
    assert said in refusal()


def test_offline_mode_is_heeded(server, gpu, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "Offline mode is on" in refusal()
    assert server.requests == []


def test_a_disk_without_room_is_said_before_anything_is_fetched(server, gpu, monkeypatch):
    index = Index(server).publish()
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    assert "free some space" in refusal()
    assert fetched(server, index) == 0


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/etc/evil", "torch/../../evil.py", "C:/evil.py", "torch\\..\\evil.py", "x.data/purelib/../../evil"],
)
def test_a_name_that_leads_out_of_the_folder_ends_the_unpacking_before_it_begins(tmp_path, name):
    file = tmp_path / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("torch/__init__.py", "")
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = name
        archive.writestr(entry, "evil")
    with pytest.raises(GpuTorchError, match=r"none of it was unpacked"):
        unpack.unpack(file, tmp_path / "tree", lambda count: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name]


def test_a_link_in_a_wheel_is_refused(tmp_path):
    file = tmp_path / "evil-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        entry = zipfile.ZipInfo("torch/link")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc")
    with pytest.raises(GpuTorchError):
        unpack.unpack(file, tmp_path / "tree", lambda count: None)


def test_packages_one_floor_lower_and_programs_are_unpacked_as_such(tmp_path):
    file = tmp_path / "torch-1.0-py3-none-any.whl"
    body = {"torch-1.0.data/purelib/torch/a.py": b"a", "torch-1.0.data/scripts/run": b"b", "torch/bin/manager": b"c"}
    file.write_bytes(wheel("torch", "1.0", body))
    unpack.unpack(file, tmp_path / "tree", lambda count: None)
    names = {
        path.relative_to(tmp_path / "tree").as_posix() for path in (tmp_path / "tree").rglob("*") if path.is_file()
    }
    assert names == {"torch/a.py", "torch/bin/manager", "torch-1.0.dist-info/METADATA"}


# -- trying ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "available", "said"),
    [
        ("", False, "it finds no GPU that it can use"),
        ("raise OSError('libcudart.so.12: cannot open')", True, "libcudart.so.12: cannot open"),
        ("import os; os.abort()", True, "its process died"),
        ("import time; time.sleep(60)", True, "it did not answer"),
    ],
    ids=["no GPU", "a library is missing", "it takes the process along", "it hangs"],
)
def test_what_does_not_work_is_never_put_in_front(server, gpu, monkeypatch, more, available, said):
    monkeypatch.setattr(trial, "PATIENCE", 20.0 if "sleep" not in more else 2.0)
    Index(server, torch=torch_wheel("2.13.0+cu126", available, more)).publish()
    sentence = refusal()
    assert said in sentence
    assert sentence.endswith("models run on the processor.")
    assert store.read() is None
    assert not store.coming().exists()


# -- the next starts -------------------------------------------------------------------------------------------------


@pytest.fixture
def here(server, gpu) -> store.State:
    """A PyTorch for the GPU in its place."""
    Index(server).publish()
    return brought()


def test_a_damaged_one_is_set_aside_and_the_programs_own_is_used(here):
    (here.folder / "nvidia/fast/lib/fast.so").write_bytes(b"short")
    origin, said = next_start()
    assert str(here.folder) not in origin
    assert "is damaged, so models run on the processor" in said
    assert store.read().set_aside == said
    # It is said once.
    assert next_start()[1] == ""


def test_one_of_another_version_or_python_is_set_aside(here):
    store.write(store.replace(here, python="cpython-39"))
    origin, said = next_start()
    assert str(here.folder) not in origin
    assert "needs another PyTorch" in said


def test_after_a_change_of_the_driver_it_is_tried_anew(here):
    store.write(store.replace(here, proved="another driver"))
    assert next_start() == (str(here.folder / "torch/__init__.py"), "")
    assert store.read().proved == driver.mark()
    store.write(store.replace(here, proved="another driver"))
    (here.folder / "torch/__init__.py").write_text("raise OSError('no such driver')")
    origin, said = next_start()
    assert str(here.folder) not in origin
    assert "no such driver" in said


def test_one_that_cannot_be_loaded_any_more_is_set_aside_for_the_next_start(here):
    (here.folder / "torch/__init__.py").write_text("raise OSError('gone')")
    loading = "try:\n    import torch\nexcept Exception as error:\n    print(error)"
    assert next_start(loading)[0].startswith(f"{CANNOT_LOAD} (gone): start S3D Chat again")
    assert CANNOT_LOAD in store.read().set_aside
    assert str(here.folder) not in next_start()[0]


def test_one_that_kills_the_program_twice_is_set_aside(here):
    dying = "import torch, os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    next_start(dying)
    # The trial is passed, so the first time may have been the user's own doing.
    assert next_start()[0] == str(here.folder / "torch/__init__.py")
    next_start(dying)
    origin, said = next_start()
    assert str(here.folder) not in origin
    assert said == BROKE_OFF


def test_one_that_works_is_never_tried_again(here):
    told = next_start("import torch\nfront.worked()\nprint(torch.__version__)")
    assert told == ("2.13.0+cu126", "")
    assert not store.broke_off()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"torch": "../../evil"}', '{"torch": 1}'])
def test_a_state_that_cannot_be_understood_counts_as_none(here, content):
    (store.home() / "state.json").write_text(content)
    assert str(here.folder) not in next_start()[0]
