"""The memory readings, with an NVIDIA driver and with every way of not having one."""

import sys
import types

import pytest

from app import hardware
from app.hardware import GPU_UNREADABLE, NO_GPU, NO_LIBRARY, MemoryWatch

GIB = 1024**3


class NVMLError(Exception):
    pass


def driver(**changes) -> types.ModuleType:
    """A module with the surface of pynvml that is used, reporting a 24 GiB GPU with 10 GiB in use."""
    module = types.ModuleType("pynvml")
    parts = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": lambda device: types.SimpleNamespace(total=24 * GIB, used=10 * GIB, free=14 * GIB),
        "nvmlDeviceGetName": lambda device: "NVIDIA Test",
        "nvmlDeviceGetComputeRunningProcesses": lambda device: [],
        "nvmlDeviceGetCudaComputeCapability": lambda device: (8, 6),
    }
    for name, part in {**parts, **changes}.items():
        setattr(module, name, part)
    return module


@pytest.fixture
def use(monkeypatch):
    def use_it(module) -> MemoryWatch:
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return MemoryWatch()

    return use_it


def failing(*_):
    raise NVMLError("driver gone")


def test_what_the_driver_knows_of_us_is_ours(use):
    watch = use(driver())
    pid = watch._process.pid
    sys.modules["pynvml"].nvmlDeviceGetComputeRunningProcesses = lambda device: [
        types.SimpleNamespace(pid=pid, usedGpuMemory=3 * GIB),
        types.SimpleNamespace(pid=pid + 1, usedGpuMemory=5 * GIB),
    ]
    reading = watch.read()
    assert reading.is_gpu
    assert (reading.total, reading.ours, reading.others, reading.free) == (24 * GIB, 3 * GIB, 7 * GIB, 14 * GIB)


def test_what_a_gpu_can_compute_is_told_where_the_driver_knows_it(use):
    assert use(driver()).read().capability == (8, 6)
    unknown = use(driver(nvmlDeviceGetCudaComputeCapability=failing)).read()
    assert (unknown.is_gpu, unknown.capability) == (True, (0, 0))


def test_where_the_driver_does_not_tell_our_own_sum_is_used(use):
    hidden = [types.SimpleNamespace(pid=1, usedGpuMemory=None)]
    watch = use(driver(nvmlDeviceGetComputeRunningProcesses=lambda device: hidden))
    reading = watch.read(own_bytes=2 * GIB)
    assert (reading.ours, reading.others) == (2 * GIB, 8 * GIB)


def failing_with(number):
    """A function that fails as NVML does, with its error's number."""

    def fail(*_):
        error = NVMLError(f"error {number}")
        error.value = number
        raise error

    return fail


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (None, NO_LIBRARY),
        (driver(nvmlInit=failing), NO_GPU),
        (driver(nvmlInit=failing_with(12)), NO_GPU),
        (driver(nvmlDeviceGetCount=lambda: 0), NO_GPU),
    ],
    ids=["no library", "fails", "no driver", "no device"],
)
def test_without_a_gpu_ram_is_shown_and_said(use, module, sentence):
    reading = use(module).read()
    assert not reading.is_gpu
    assert reading.sentence == sentence
    assert 0 < reading.ours < reading.used < reading.total


@pytest.mark.parametrize("name", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName"])
def test_a_driver_that_stops_answering_is_said_and_not_asked_again(use, name):
    watch = use(driver(**{name: failing}))
    assert watch.read().sentence == GPU_UNREADABLE
    assert watch.read().sentence == GPU_UNREADABLE
    watch.close()


@pytest.mark.parametrize(
    ("number", "names"),
    [(4, "permission"), (9, "driver is not loaded"), (18, "different versions"), (15, "was lost"), (16, "a reset")],
)
def test_what_keeps_a_gpu_from_being_used_is_named(use, number, names):
    """At the start and in the middle, in the gauge's sentence and in the one for a model on the CPU."""
    assert names in use(driver(nvmlInit=failing_with(number))).read().sentence
    said = hardware.why_cpu()
    assert names in said
    assert said.endswith("; the model runs on the CPU.")
    watch = use(driver())
    assert watch.read().is_gpu
    sys.modules["pynvml"].nvmlDeviceGetMemoryInfo = failing_with(number)
    for _ in range(2):
        reading = watch.read()
        assert not reading.is_gpu
        assert names in reading.sentence


def test_a_gpu_that_torch_cannot_use_is_named(use, monkeypatch):
    use(driver())
    monkeypatch.setattr(hardware, "version", lambda name: "2.13.0+cpu")
    assert "NVIDIA Test" in hardware.why_cpu()
    assert "torch is built without CUDA" in hardware.why_cpu()
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not hardware.look().is_gpu
    monkeypatch.setattr(hardware, "version", lambda name: "2.13.0")
    assert "torch cannot use it" in hardware.why_cpu()
    assert hardware.look().is_gpu
    assert not hardware.look(ram=True).is_gpu


def test_a_card_without_a_driver_is_named_and_none_is_not(use, monkeypatch, tmp_path):
    use(driver(nvmlInit=failing_with(12)))
    monkeypatch.setattr(hardware, "_CARDS", tmp_path)
    assert hardware.why_cpu() is None
    card = tmp_path / "0000:01:00.0"
    card.mkdir()
    (card / "vendor").write_text("0x10de\n")
    (card / "class").write_text("0x040300\n")  # its sound
    assert hardware.why_cpu() is None
    (card / "class").write_text("0x030000\n")
    assert hardware.why_cpu() == "There is an NVIDIA GPU, but its driver is missing; the model runs on the CPU."


def test_the_real_machine_can_be_read():
    watch = MemoryWatch()
    reading = watch.read()
    assert 0 < reading.used <= reading.total
    assert reading.sentence
    watch.close()
