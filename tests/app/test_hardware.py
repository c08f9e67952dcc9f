"""The memory readings, with an NVIDIA driver and with every way of not having one."""

import sys
import types

import pytest

from app.hardware import GPU_UNREADABLE, NO_GPU, MemoryWatch

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


def test_where_the_driver_does_not_tell_our_own_sum_is_used(use):
    hidden = [types.SimpleNamespace(pid=1, usedGpuMemory=None)]
    watch = use(driver(nvmlDeviceGetComputeRunningProcesses=lambda device: hidden))
    reading = watch.read(own_bytes=2 * GIB)
    assert (reading.ours, reading.others) == (2 * GIB, 8 * GIB)


@pytest.mark.parametrize(
    "module",
    [None, driver(nvmlInit=failing), driver(nvmlDeviceGetCount=lambda: 0)],
    ids=["no library", "no driver", "no device"],
)
def test_without_a_gpu_ram_is_shown_and_said(use, module):
    reading = use(module).read()
    assert not reading.is_gpu
    assert reading.sentence == NO_GPU
    assert 0 < reading.ours < reading.used < reading.total


@pytest.mark.parametrize("name", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetName"])
def test_a_driver_that_stops_answering_is_said_and_not_asked_again(use, name):
    watch = use(driver(**{name: failing}))
    assert watch.read().sentence == GPU_UNREADABLE
    assert watch.read().sentence == GPU_UNREADABLE
    watch.close()


def test_the_real_machine_can_be_read():
    watch = MemoryWatch()
    reading = watch.read()
    assert 0 < reading.used <= reading.total
    assert reading.sentence
    watch.close()
