"""The row that offers PyTorch for the GPU: what it shows at each stand, and that its buttons do what they say."""

import sys

import pynvml
import pytest
from hub.torch_index import Index, torch_wheel
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from app.gpu_torch import front, store
from app.gpu_torch.offer import Offer, Stand
from app.models.transfer import Patience
from app.ui.models.gpu import GpuRow

PATIENCE_MS = 60_000
pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no NVIDIA driver")


@pytest.fixture
def driver(monkeypatch):
    """A driver that answers."""
    for name, answer in {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetCudaDriverVersion": lambda: 12060,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda device: "NVIDIA RTX 4090",
        "nvmlDeviceGetCudaComputeCapability": lambda device: (8, 9),
    }.items():
        monkeypatch.setattr(pynvml, name, answer)


@pytest.fixture
def row(hub, driver, monkeypatch, qtbot):
    """A row of a bundle, beside an index on this machine."""
    monkeypatch.setenv("S3D_TORCH_INDEX", f"{hub.address}/whl")
    made = GpuRow(Offer(is_bundle=True, patience=Patience(tries=2, first_wait=0.01, silence=5.0)))
    qtbot.addWidget(made)
    yield made
    made.rest()
    qtbot.waitUntil(lambda: made.offer.is_idle, timeout=PATIENCE_MS)


def stands(row, qtbot, stand) -> None:
    qtbot.waitUntil(lambda: row.offer.now.stand is stand and row._shown == row.offer.now, timeout=PATIENCE_MS)


def click(qtbot, button) -> None:
    assert not button.isHidden()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_it_is_offered_fetched_and_removed(row, hub, qtbot):
    Index(hub).publish()
    assert row.isHidden()
    row.watch()
    stands(row, qtbot, Stand.OFFERED)
    assert not row.isHidden()
    assert "NVIDIA RTX 4090" in row.about.text()
    assert row.accessibleDescription()
    click(qtbot, row.get)
    stands(row, qtbot, Stand.READY)
    assert "start S3D Chat again" in row.about.text()
    assert row.get.isHidden()
    assert store.read() is not None
    click(qtbot, row.remove)
    stands(row, qtbot, Stand.OFFERED)
    assert not store.home().exists()


def test_it_is_paused_gone_on_with_and_cancelled(row, hub, qtbot):
    Index(hub).publish()
    hub.bytes_per_second = 400_000
    row.watch()
    stands(row, qtbot, Stand.OFFERED)
    click(qtbot, row.get)
    # The line counts from the first byte asked for, the bar from the first that came.
    qtbot.waitUntil(lambda: " of " in row.facts.text() and row.bar.value() > 0, timeout=PATIENCE_MS)
    click(qtbot, row.pause)
    stands(row, qtbot, Stand.PAUSED)
    assert row.get.text() == "Resume"
    assert row.bar.value() > 0
    click(qtbot, row.get)
    stands(row, qtbot, Stand.RUNNING)
    click(qtbot, row.cancel)
    stands(row, qtbot, Stand.OFFERED)
    assert not store.coming().exists()


def test_one_that_does_not_work_is_said_and_can_be_tried_again(row, hub, qtbot):
    index = Index(hub, torch=torch_wheel("2.13.0+cu126", available=False)).publish()
    row.watch()
    stands(row, qtbot, Stand.OFFERED)
    click(qtbot, row.get)
    stands(row, qtbot, Stand.FAILED)
    assert "it finds no GPU that it can use" in row.about.text()
    assert row.about.property("problem")
    index.files["torch"][index.torch_name] = torch_wheel("2.13.0+cu126")
    index.publish()
    assert row.get.text() == "Try again"
    click(qtbot, row.get)
    stands(row, qtbot, Stand.READY)


def test_one_that_is_in_use_or_was_set_aside_can_be_removed(row, monkeypatch, qtbot):
    state = store.State("2.13.0+cu126", store.python(), "NVIDIA RTX 4090", {}, "", "It does not work.")
    store.write(state)
    row.watch()
    stands(row, qtbot, Stand.SET_ASIDE)
    assert row.about.text() == "It does not work."
    assert (row.get.text(), row.get.isHidden(), row.remove.isHidden()) == ("Get it anew", False, False)
    monkeypatch.setattr(front, "used", state)
    row.watch()
    stands(row, qtbot, Stand.IN_USE)
    assert "with PyTorch 2.13.0+cu126" in row.about.text()
    click(qtbot, row.remove)
    stands(row, qtbot, Stand.OFFERED)


@pytest.mark.parametrize("is_bundle", [True, False], ids=["no driver", "run from its source"])
def test_where_there_is_nothing_to_offer_it_stays_hidden(home, monkeypatch, qtbot, is_bundle):
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    row = GpuRow(Offer(is_bundle=is_bundle))
    qtbot.addWidget(row)
    row.watch()
    qtbot.wait(300)
    row.rest()
    assert row.isHidden()


def test_every_button_has_a_name_and_a_tip(row):
    for button in row.findChildren(QPushButton):
        assert button.accessibleName()
        assert button.toolTip()
