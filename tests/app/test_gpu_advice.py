"""What a user is told whose GPU is not used."""

import pytest

from app.gpu_advice import advice
from app.hardware import MemoryReading

GPU = MemoryReading("NVIDIA RTX 4090", True, 24 << 30, 0, 1 << 30, "")
RAM = MemoryReading("RAM", False, 32 << 30, 0, 1 << 30, "")


@pytest.mark.parametrize(
    ("reading", "device"), [(RAM, "cpu"), (GPU, "cuda:0")], ids=["there is none", "it is used already"]
)
def test_nothing_is_advised_where_nothing_can_be_done(reading, device):
    assert advice(reading, device, None, "12.6", True) is None


@pytest.mark.parametrize(
    ("wanted", "driver", "bundle", "said"),
    [
        (None, "12.6", True, "to use the GPU, open Models (Ctrl+M)"),
        (None, "12.6", False, "CUDA build of the same version"),
        ("13.0", "12.2", False, "PyTorch needs CUDA 13.0 (the driver knows CUDA 12.2): update the NVIDIA driver"),
        ("13.0", "", True, "PyTorch needs CUDA 13.0: update"),
    ],
)
def test_a_gpu_that_is_not_used_is_explained_in_one_sentence(wanted, driver, bundle, said):
    sentence = advice(GPU, "cpu", wanted, driver, bundle)
    assert "NVIDIA RTX 4090" in sentence
    assert said in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
