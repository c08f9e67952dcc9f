"""Why a model is not on the GPU that this machine has, and what to do about it."""

import sys

from app.hardware import MemoryReading

HOW = "open Models (Ctrl+M), which has it for yours"


def advice(
    reading: MemoryReading, device: str, wanted_cuda: str | None, driver_cuda: str, is_bundle: bool
) -> str | None:
    """One sentence, or None where there is nothing to advise.

    Args:
        reading: a look at the memory; it is a GPU's where the driver of one answers.
        device: what the model runs on, as torch calls it.
        wanted_cuda: the CUDA version that the installed torch was built for; None for a build for processors.
        driver_cuda: the newest CUDA version that the driver knows; empty where it does not say.
        is_bundle: the program was not started from its source.
    """
    if not reading.is_gpu or device != "cpu":
        return None
    begin = f"This machine has an {reading.device}, but the model runs on the processor"
    if wanted_cuda:
        known = f" (the driver knows CUDA {driver_cuda})" if driver_cuda else ""
        return f"{begin}, because PyTorch needs CUDA {wanted_cuda}{known}: update the NVIDIA driver."
    if is_bundle:
        return f"{begin}, because S3D Chat came with PyTorch for processors only: to use the GPU, {HOW}."
    return (
        f"{begin}, because the installed PyTorch is a build for processors only: install its CUDA build of the same "
        "version into .venv, as pytorch.org says."
    )


def advice_here(reading: MemoryReading, device: str) -> str | None:
    """`advice` for this process, once a model is loaded. Asks the driver: call it outside the window's thread."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return advice(reading, device, torch.version.cuda, _driver_cuda(), bool(getattr(sys, "frozen", False)))


def _driver_cuda() -> str:
    try:
        import pynvml

        version = pynvml.nvmlSystemGetCudaDriverVersion()
    except Exception:  # no library, no driver, not started
        return ""
    return f"{version // 1000}.{version % 1000 // 10}"
