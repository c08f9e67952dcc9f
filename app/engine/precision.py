"""What the model is held in: what the user wants, what was chosen, and the measurement in between."""

import importlib.metadata
import logging
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from app import __version__, hardware
from app.diagnostics.report import processor
from app.hardware import MemoryReading
from app.models import fit, places, precision
from app.models.fit import USUAL_CONTEXT, Verdict, estimate
from app.models.precision import AUTO, OWN, Choice, Machine, Measured
from app.models.shape import Shape
from s3d_core.errors import ModelError
from s3d_core.stats import INT4_CAPABILITY

log = logging.getLogger(__name__)

# Raise it when products become faster or slower: what was measured before is then measured anew.
_PRODUCTS = 2


@dataclass
class Precision:
    """Shared by the window, which writes what is wanted, and the decoder's thread, which writes what came of it.

    Each attribute is rebound whole, so neither side waits for the other.

    Attributes:
        wanted: "auto" or a precision. again: measure at the next load, whatever is kept.
        choice: of the last load; None before the first.
    """

    wanted: str = AUTO
    again: bool = False
    choice: Choice | None = None

    def for_fit(self, usual: str = AUTO) -> str:
        """The precision to estimate other models' memory in; `usual` where nobody wants another."""
        return usual if self.wanted == AUTO else self.wanted


def refusal(path: Path, memory: MemoryReading, wanted: str, context: int | None = None) -> str | None:
    """Why a model is not to be loaded, as `fit.refusal`. Where it may be chosen, bfloat16 needs least."""
    return fit.refusal(path, memory, OWN[0] if wanted == AUTO else wanted, context)


def choose(
    path: Path,
    wanted: str,
    device: str = "auto",
    context: int | None = None,
    progress=None,
    again: bool = False,
) -> Choice:
    """What to load a model in. Measures for a second or two where nothing is known yet; not for the window's thread.

    Args:
        wanted: "auto" or a precision, which is then taken as it is.
        device: auto, cpu or cuda.
        context: most tokens of a chat, where they are given.
        progress: called with (phase, 0..1); an exception it raises ends the measurement.
        again: measure even where it was done before.

    Raises:
        ModelError: the device is not there.
    """
    from s3d_core import precision as measuring
    from s3d_core.load import pick_device

    place = pick_device(device)
    if place.type == "cuda":
        return Choice(wanted, "gpu" if wanted == AUTO else "asked", None, _refused_by_gpu(place))
    try:
        shape = Shape.of(path)
    except ModelError:  # the loader says better what is wrong
        return Choice(wanted, "unknown" if wanted == AUTO else "asked")
    sizes = _sizes(shape)
    no_int8 = measuring.why_not_int8(sizes)
    refused = dict.fromkeys(("int8", "int4"), no_int8) if no_int8 else {}
    measured = None if again else precision.recall(shape, _machine())
    if wanted != AUTO and not again:
        return Choice(wanted, "asked", measured, refused)
    memory = hardware.look(ram=True)
    fits = {name: _has_room(shape, name, context, memory) for name in OWN}
    if measured is None:
        try:
            measured = _measured(shape, [*OWN, *([] if refused else ["int8"])], progress)
        except (MemoryError, RuntimeError) as error:  # too little memory even for this: the loader will see
            log.warning("the precisions could not be measured: %s", error)
            return Choice(wanted, "unknown" if wanted == AUTO else "asked", None, refused)
    if wanted != AUTO:
        return Choice(wanted, "asked", measured, refused)
    return precision.decide(measured, fits, refused)


def opened(choice: Choice, load):
    """What `load(precision)` makes, and the choice in use: where a wish cannot be met, the usual precision.

    Returns:
        (the engine, the choice, a sentence about a wish that was not met or None).

    Raises:
        ModelError: the model cannot be loaded at all.
    """
    try:
        return load(choice.precision), choice, None
    except ModelError as error:
        if choice.why != "asked":
            raise
        refused = str(error)
    engine = load(AUTO)
    usual = replace(choice, precision=AUTO, why="unknown")
    return engine, usual, f"{choice.precision} cannot be used: {refused} The model runs in {engine.info.dtype}."


def _refused_by_gpu(gpu) -> dict[str, str]:
    import torch

    refused = {} if find_spec("bitsandbytes") else {"int8": "library"}
    if torch.cuda.get_device_capability(gpu) < INT4_CAPABILITY:
        refused["int4"] = "capability"
    return refused


def _measured(shape: Shape, precisions: list[str], progress) -> Measured:
    """A measurement, which is kept if it is steady."""
    from s3d_core.kernels import jit
    from s3d_core.precision import measure

    jit.keep_in(places.compiled_dir())
    ms, steady = measure(_sizes(shape), precisions, progress)
    found = Measured(day=datetime.now(UTC).astimezone().date(), steady=steady, ms=ms)
    precision.keep(shape, _machine(), found)
    return found


def _has_room(shape: Shape, name: str, context: int | None, memory: MemoryReading) -> bool:
    found = estimate(shape, name, context or min(USUAL_CONTEXT, shape.context_limit), memory)
    return found.verdict is Verdict.FITS


def _sizes(shape: Shape):
    from s3d_core.precision import Sizes

    attended, kept = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return Sizes(shape.layers, shape.hidden, attended, kept, shape.intermediate, shape.vocabulary)


def _machine() -> Machine:
    import torch

    from s3d_core.kernels import jit

    able = {"compiled": jit.available(), "bf16": jit.dots_bf16(), "int8": jit.dots_int8()}
    return Machine(
        processor=processor(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        torch=importlib.metadata.version("torch"),
        program=f"{__version__}, products {_PRODUCTS}",
        products=(torch.backends.cpu.get_cpu_capability(), *(name for name, there in able.items() if there)),
    )
