"""Whether a model fits into the memory, before it is fetched or loaded, and what would fit if it does not.

All sizes follow from the model's shape. What is counted is the most that is held at once: a grown K/V cache
is held beside the one it is copied from.
"""

import functools
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from app.hardware import MemoryReading
from app.models.shape import Shape
from s3d_core.errors import ModelError
from s3d_core.settings import MAX_TREE_SIZE
from s3d_core.stats import INT4_CAPABILITY

# Bytes a number of the layers' matrices; int4 has a scale and a least value of two bytes each for 32, nf4 a scale of
# four bytes for 64.
PRECISIONS = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int4": 0.625, "nf4": 0.5625}
# Weights of eight bits to a scale, of two bytes, and what fills up the cache lines that scales lie in.
_SCALES = 24
_SHORT = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
USUAL_CONTEXT = 4096
CONTEXTS = (131072, 65536, 32768, 16384, 8192, 4096, 2048, 1024)
# The estimate is good to a tenth; what needs more than this share of what is left is tight.
ROOMY = 0.9

_GIB = 1024**3
_MIB = 1024**2
# Python, torch, transformers and the compiled layers, measured; on a GPU the driver's own share of its memory.
_PROGRAM = 530 * _MIB
_DRIVER = 500 * _MIB
# Rows that the prompt is read in, and a cache's first size and its growth (see `s3d_core.cache`).
_CHUNK, _FIRST_SLOTS = 256, 256
# A draft adapter: two bytes a number, at most this or 2% of the model in 16 bits; and the narrow output head.
_ADAPTER_BYTES, _ADAPTER_SHARE, _HEAD_SHARE = 20_000_000, 0.02, 10
# What drafting holds at most of a model whose layers it has copies of (see `s3d_core.merged`): one in so many bytes.
_COPIES = 10


class Verdict(Enum):
    """How a model and the memory go together; the value is what a user reads."""

    FITS = "Fits"
    TIGHT = "Tight"
    WONT_FIT = "Won't fit"


@dataclass(frozen=True)
class Choice:
    """What a model can be loaded with: a precision and the most tokens of a chat."""

    precision: str
    context: int

    def __str__(self) -> str:
        return f"{self.precision} with a context of {self.context:,} tokens"


@dataclass(frozen=True)
class Fit:
    """An estimate, in bytes.

    Attributes:
        choice: what it is for.
        weights, cache, adapter, working: the model's, the K/V cache's at the full context, the draft adapter's,
            and what the program itself and a pass need.
        total: the memory there is. others: what other programs hold of it now.
        is_gpu: the memory is a GPU's.
        nearest: the nearest choice that fits, where this one does not; None where none does.
    """

    choice: Choice
    weights: int
    cache: int
    adapter: int
    working: int
    total: int
    others: int
    is_gpu: bool
    nearest: Choice | None = None

    @property
    def needed(self) -> int:
        """All of it at its highest."""
        return self.weights + self.cache + self.adapter + self.working

    @property
    def available(self) -> int:
        """What other programs leave; what this program holds now it gives back when another model is loaded."""
        return max(0, self.total - self.others)

    @property
    def verdict(self) -> Verdict:
        """Fits, tight, or won't fit."""
        if self.needed <= ROOMY * self.available:
            return Verdict.FITS
        return Verdict.TIGHT if self.needed <= self.available else Verdict.WONT_FIT

    @property
    def numbers(self) -> str:
        """The figures for a tooltip, a line each."""
        where = "GPU memory" if self.is_gpu else "memory (RAM)"
        lines = [
            f"{self.verdict.value}: needs {_gb(self.needed)} of the {_gb(self.available)} that other programs leave",
            f"Weights in {self.choice.precision}: {_gb(self.weights)}",
            f"K/V cache for {self.choice.context:,} tokens: {_gb(self.cache)}",
            f"Draft adapter: {_gb(self.adapter)}",
            f"Program and working memory: {_gb(self.working)}",
            f"Other programs hold {_gb(self.others)} of {_gb(self.total)} {where}",
        ]
        if self.nearest is not None:
            lines.append(f"Fits as {self.nearest}")
        return "\n".join(lines)

    def refusal(self, name: str) -> str:
        """One sentence that says why a model is not loaded, and what to do."""
        where = "GPU memory" if self.is_gpu else "memory"
        why = (
            f"{name} needs {_gb(self.needed)} as {self.choice}, but only {_gb(self.available)} of the "
            f"{_gb(self.total)} of {where} are not held by other programs"
        )
        if self.nearest is not None:
            return f"{why}; it fits as {self.nearest}."
        return f"{why}; close other programs or choose a smaller model."


def estimate(shape: Shape, precision: str, context: int | None, memory: MemoryReading, *, adapter: bool = True) -> Fit:
    """What a model needs of a memory, and the nearest choice that fits.

    Args:
        precision: one of `PRECISIONS`, or "auto" for what the engine would choose here.
        context: most tokens of a chat, cut to what the model was made for; None for that limit.
        adapter: a draft adapter is used, as with trained drafts.

    Raises:
        ModelError: the precision is unknown.
    """
    precision = usual_precision(memory.is_gpu) if precision == "auto" else _SHORT.get(precision, precision)
    if precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ModelError(f"There is no precision called {precision!r}; choose one of {known}.")
    context = shape.context_limit if context is None else max(1, min(context, shape.context_limit))
    fit = _sizes(shape, Choice(precision, context), memory, adapter)
    if fit.verdict is not Verdict.WONT_FIT:
        return fit
    others = [_sizes(shape, choice, memory, adapter) for choice in _nearer(fit.choice, memory)]
    for wanted in (Verdict.FITS, Verdict.TIGHT):
        for other in others:
            if other.verdict is wanted:
                return replace(fit, nearest=other.choice)
    return fit


def largest_context(shape: Shape, precision: str, memory: MemoryReading) -> int | None:
    """The longest context with which a model fits, of `CONTEXTS` and its own limit; None where none does.

    Where it fits well with some, these alone are looked at.
    """
    contexts = (shape.context_limit, *(c for c in CONTEXTS if c < shape.context_limit))
    fits = [estimate(shape, precision, context, memory) for context in contexts]
    for wanted in (Verdict.FITS, Verdict.TIGHT):
        for fit in fits:
            if fit.verdict is wanted:
                return fit.choice.context
    return None


def refusal(path: Path, memory: MemoryReading, precision: str = "auto", context: int | None = None) -> str | None:
    """Why an installed model is not to be loaded: it does not fit, with the context or with any. None where it does."""
    try:
        shape = Shape.of(path)
        if context is None and largest_context(shape, precision, memory) is not None:
            return None
        found = estimate(shape, precision, context or min(USUAL_CONTEXT, shape.context_limit), memory)
    except ModelError:
        return None  # the loader says better what is wrong
    return found.refusal(path.stem) if found.verdict is Verdict.WONT_FIT else None


def context_for(path: Path, memory: MemoryReading, precision: str = "auto") -> int | None:
    """The most tokens of a chat that an installed model has room for here; None for as many as it was made for."""
    try:
        return largest_context(Shape.of(path), precision, memory)
    except ModelError:
        return None


def usual_precision(is_gpu: bool) -> str:
    """The precision that the engine chooses by itself here."""
    if is_gpu or packs_here() or {"avx512_bf16", "amx_bf16"} & _cpu_flags():
        return "bfloat16"
    return "float32"


@functools.cache
def packs_here() -> bool:
    """Whether this CPU runs packed layers (see `s3d_core.kernels`), whose activations are float32."""
    able = any(wanted <= _cpu_flags() for wanted in ({"avx512f", "avx512bw", "avx512vl"}, {"avx2", "fma"}))
    return able and platform.machine() == "x86_64" and find_spec("llvmlite") is not None


@functools.cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()  # not Linux: nothing is packed there
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))


def _nearer(choice: Choice, memory: MemoryReading) -> Iterator[Choice]:
    """Other choices, the nearest first: half the bits lose less than half the context."""
    contexts = [c for c in CONTEXTS if c < choice.context]
    usual = ["float32", "bfloat16"]
    if memory.is_gpu and memory.capability >= INT4_CAPABILITY:
        usual.append("int4")
    if memory.is_gpu and find_spec("bitsandbytes"):
        usual.append("nf4")
    smaller = [p for p in usual if PRECISIONS[p] < PRECISIONS[choice.precision]]
    yield from (Choice(precision, choice.context) for precision in smaller)
    for context in contexts:
        yield from (Choice(precision, context) for precision in (choice.precision, *smaller))


def _sizes(shape: Shape, choice: Choice, memory: MemoryReading, adapter: bool) -> Fit:
    precision, is_gpu = choice.precision, memory.is_gpu
    packed = not is_gpu and packs_here() and precision not in ("float16", "nf4")
    # What lies between the weights, which few bits leave as it is.
    size = int(max(PRECISIONS[precision], 2)) if is_gpu or precision != "nf4" else 4
    held = 4 if packed else size
    narrow = packed and precision in ("bfloat16", "int8", "int4")
    weights = _weight_bytes(shape, precision, is_gpu)
    # Float32 layers are drafted for by copies of their own.
    drafting = weights // _COPIES if packed and precision == "float32" else _adapter_bytes(shape, size)
    return Fit(
        choice=choice,
        weights=weights,
        cache=_cache_bytes(shape, choice.context, 2 if narrow else held, memory.is_gpu),
        adapter=drafting if adapter else 0,
        working=_working_bytes(shape, choice.context, held, memory.is_gpu),
        total=memory.total,
        others=memory.others,
        is_gpu=memory.is_gpu,
    )


def _weight_bytes(shape: Shape, precision: str, is_gpu: bool) -> int:
    """On a GPU few bits are for the layers' matrices alone; on a processor nf4 is made of float32 in memory."""
    if precision == "nf4" and not is_gpu:
        return int(PRECISIONS["float32"] * shape.parameters)
    if precision == "int4" and not is_gpu:
        layers = shape.layers * shape.layer
        head = shape.parameters - layers  # in eight bits
        return int(PRECISIONS["int4"] * layers) + head + head // _SCALES
    in_few_bits = shape.layers * shape.layer if precision in ("int8", "int4", "nf4") and is_gpu else shape.parameters
    whole = PRECISIONS[precision] * in_few_bits + 2 * (shape.parameters - in_few_bits)
    return int(whole) + (in_few_bits // _SCALES if precision == "int8" else 0)


def _cache_bytes(shape: Shape, context: int, size: int, is_gpu: bool) -> int:
    """Keys and values at their most: while a cache doubles, the one before is held too."""
    slot = 2 * shape.layers * shape.kv_heads * shape.head_dim * size
    most = context + MAX_TREE_SIZE
    before, now = 0, 0
    while now < most:
        before, now = now, max(2 * now, _FIRST_SLOTS)
        now = most if 1.5 * now > most else now
    # On the host a page that was never written takes no memory.
    return slot * (before + now if is_gpu else max(most, 2 * before))


def _adapter_bytes(shape: Shape, size: int) -> int:
    adapter = max(_ADAPTER_BYTES, _ADAPTER_SHARE * 2 * shape.parameters) * size / 2
    return int(adapter) + size * shape.embedding // _HEAD_SHARE


def _working_bytes(shape: Shape, context: int, size: int, is_gpu: bool) -> int:
    """The program, and the rows, masks and logits of a pass; on a GPU one layer too, whose matrices are joined there.

    On the host the pages of the file make room for the packed weights one matrix at a time.
    """
    rows = _CHUNK * (4 * shape.intermediate + 6 * shape.hidden) * size
    masks = _CHUNK * (shape.heads // shape.kv_heads) * context * size
    logits = (MAX_TREE_SIZE + 1) * shape.vocabulary * 4
    held = _DRIVER + shape.layer * size if is_gpu else _PROGRAM
    return held + rows + masks + logits


def _gb(size: int) -> str:
    return f"{size / _GIB:.1f} GB"
