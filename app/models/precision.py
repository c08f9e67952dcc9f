"""Which precision a model runs in here, and why: decided by what was measured on this machine, which is kept on disk.

What is kept may be deleted at any time, and what cannot be used of it is measured anew. No torch.
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.models.places import compiled_dir
from app.models.shape import Shape

log = logging.getLogger(__name__)

AUTO = "auto"
# Those whose numbers are the model's own. Of equally fast ones the first takes less memory.
OWN = ("bfloat16", "float32")
# Rows of a verify pass -> tokens that a round with all of them brought (trees of 8 and 16, nothing left out, on our 20
# prompts), and what its draft pass takes of a plain step: both measured with the default model.
_TOKENS = {9: 2.60, 17: 2.94}
_DRAFT = 0.65
_READ_ROWS = 72
_ROWS = (1, *_TOKENS, _READ_ROWS)
# float32 takes twice the memory, so it has to be faster by more than two measurements of the same differ.
_WORTH = 1.05
_VERSION = 1
_MOST_MODELS = 50
_MOST_BYTES = 1_000_000

REFUSED = {
    "processor": "it needs Linux and a processor with fast products of 8-bit numbers",
    "matrices": "this model's matrices cannot be cut into groups of 8-bit weights",
    "library": "on a GPU it needs the package bitsandbytes",
    "capability": "it needs an NVIDIA GPU of the RTX 30 series or later",
}

Milliseconds = Annotated[float, Field(gt=0, lt=1e7, allow_inf_nan=False)]


class Measured(BaseModel):
    """Milliseconds that a model's products take here: by precision, by rows of the pass.

    Attributes:
        steady: nothing else kept the machine busy meanwhile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    steady: bool = True
    ms: dict[Annotated[str, Field(max_length=20)], dict[int, Milliseconds]]

    @field_validator("ms")
    @classmethod
    def _is_whole(cls, ms: dict) -> dict:
        if not any(precision in ms for precision in OWN) or any(set(rows) != set(_ROWS) for rows in ms.values()):
            raise ValueError("not all that was to be measured")
        return ms

    def plain(self, precision: str) -> float:
        """Of a plain step."""
        return self.ms[precision][1]

    def verify(self, precision: str) -> float:
        """Of a verify pass of a full tree."""
        return self.ms[precision][17]

    def written(self, precision: str) -> float:
        """For each token of an answer, drafted where that pays."""
        ms = self.ms[precision]
        drafted = ((_DRAFT * ms[1] + ms[rows]) / tokens for rows, tokens in _TOKENS.items())
        return min(ms[1], *drafted)

    def read(self, precision: str) -> float:
        """For each token of a prompt."""
        return self.ms[precision][_READ_ROWS] / _READ_ROWS

    def cost(self, precision: str) -> float:
        """What precisions are compared by: a token read and a token written."""
        return self.read(precision) + self.written(precision)

    def gain(self, precision: str, over: str) -> float | None:
        """How many times as fast one writes as the other; None where one was not measured."""
        if precision not in self.ms or over not in self.ms:
            return None
        return self.written(over) / self.written(precision)


@dataclass(frozen=True)
class Choice:
    """What a model is loaded in.

    Attributes:
        precision: for the decoder; "auto" leaves it to its own rule.
        why: "fastest"; "memory": float32 would be faster and does not fit; "asked"; "gpu"; "busy": too much else ran
            for a measurement to say something; "unknown": the model does not say its sizes.
        measured: what was measured for this model, if anything was.
        refused: the precisions of few bits that cannot be used here, with what keeps them from it, a name of `REFUSED`.
    """

    precision: str
    why: str
    measured: Measured | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


def decide(measured: Measured, fits: Mapping[str, bool], refused: Mapping[str, str] | None = None) -> Choice:
    """The fastest of the precisions that keep the model's own numbers, and that fit into the memory.

    Args:
        fits: whether it does, by precision; bfloat16 is taken where none does, as it needs least.
        refused: as that of `Choice`.
    """

    def fastest(precisions: list[str]) -> str:
        cheap = min(precisions, key=measured.cost)
        small = precisions[0]
        return small if measured.cost(small) <= _WORTH * measured.cost(cheap) else cheap

    refused = refused or {}
    if not measured.steady:
        return Choice(AUTO, "busy", measured, refused)
    known = [precision for precision in OWN if precision in measured.ms]
    wanted = fastest(known)
    fitting = [precision for precision in known if fits.get(precision, False)]
    chosen = fastest(fitting) if fitting else OWN[0]
    return Choice(chosen, "fastest" if chosen == wanted else "memory", measured, refused)


def said(choice: Choice, dtype: str) -> str:
    """Sentences for the terminal and for reports: what is used, why, and what was measured.

    Args:
        dtype: what the model is held in.
    """
    why = {
        "fastest": "the fastest here that keeps the model's own numbers",
        "memory": "float32 would be faster here, but does not fit into the memory",
        "asked": "as it was asked for",
        "gpu": "the usual one on a GPU",
        "busy": "the usual one here: other programs are too busy for a measurement",
        "unknown": "the usual one here",
    }[choice.why]
    parts = [f"{dtype}: {why}."]
    if choice.measured is not None:
        ms = choice.measured
        order = sorted(ms.ms, key=lambda precision: (precision != dtype, precision))
        told = (
            f"{precision} {ms.plain(precision):.1f} ms a plain token, {ms.verify(precision):.1f} ms 17 rows, "
            f"{1000 / ms.read(precision):,.0f} tokens/s read"
            for precision in order
        )
        how = "products alone" if ms.steady else "roughly, as other programs were busy"
        parts.append(f"Measured on {ms.day.isoformat()}, {how}: {'; '.join(told)}.")
        gain = ms.gain("int8", dtype)
        if gain is not None and dtype != "int8":
            parts.append(f"int8 would write about {gain:.1f} x as fast, but not with the model's own numbers.")
    return " ".join(parts)


# -- on the disk -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """What a measurement holds for. One on another machine, or by other versions, says nothing here."""

    processor: str
    cores: int
    threads: int
    torch: str
    program: str
    products: tuple[str, ...] = field(default=())


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int
    machine: dict[str, Any]
    models: dict[Annotated[str, Field(max_length=200)], Measured]


def record_path() -> Path:
    """Where measurements are kept: beside the code that was compiled for this machine."""
    return compiled_dir() / "precision.json"


def key(shape: Shape) -> str:
    """What measurements of equal models share."""
    sizes = asdict(shape)
    return ",".join(str(sizes[name]) for name in sorted(sizes) if name not in ("tied", "biased", "context_limit"))


def recall(shape: Shape, machine: Machine, path: Path | None = None) -> Measured | None:
    """What was measured of such a model on this machine; None where nothing was that can be used."""
    return _read(path or record_path(), machine).get(key(shape))


def keep(shape: Shape, machine: Machine, measured: Measured, path: Path | None = None) -> None:
    """Keep a steady measurement, for the user's eyes alone. A disk that is full or read-only only costs time again."""
    if not measured.steady:
        return
    path = path or record_path()
    models = {name: known for name, known in _read(path, machine).items() if name != key(shape)}
    models = dict(list(models.items())[1 - _MOST_MODELS :]) | {key(shape): measured}
    kept = _Kept(version=_VERSION, machine=_told(machine), models=models)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".precision-")  # made with 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(kept.model_dump_json(indent=1) + "\n")
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        log.info("what was measured is not kept: %s", error)


def _read(path: Path, machine: Machine) -> dict[str, Measured]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        kept = _Kept.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        log.info("what was measured before cannot be used: %s", type(error).__name__)
        return {}
    return kept.models if kept.version == _VERSION and kept.machine == _told(machine) else {}


def _told(machine: Machine) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(machine)))
