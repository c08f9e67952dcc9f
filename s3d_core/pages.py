"""Memory in large pages, and giving it back to the system: that of a mapped file's weights, that of a model gone."""

import contextlib
import ctypes
import functools
import math
import mmap
import sys
from collections.abc import Callable, Sequence

import torch

# The large pages of x86-64. A room is taken from the system a chunk at a time, of which what is not used costs nothing.
_LARGE, _CHUNK = 2 << 20, 64 << 20
_LINE = 64
# Linux's number; unlike MADV_DONTNEED it never loses what was written.
_MADV_PAGEOUT = 21


class Room:
    """Memory for weights, in large pages where the system has them (Linux).

    A pass reads every weight once, in 65,000 small pages for 270 MB: to look up where each lies takes a tenth to a
    sixth of its time. The memory goes back when the last tensor made of a chunk is gone.
    """

    def __init__(self) -> None:
        self._chunk, self._used = torch.empty(0, dtype=torch.uint8), 0

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """A new tensor, of zeros, that begins at a cache line."""
        size = math.prod(shape) * dtype.itemsize
        if self._used + size > self._chunk.numel():
            self._chunk, self._used = _mapped(max(size, _CHUNK)), 0
        held = self._chunk[self._used : self._used + size]
        self._used += -(-size // _LINE) * _LINE
        return held.view(dtype).view(shape)


def roomy(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor of zeros on the host, in large pages where it fills one and the system has them (Linux).

    Raises:
        MemoryError, RuntimeError: there is no memory for it.
    """
    size = math.prod(shape) * dtype.itemsize
    return _mapped(size)[:size].view(dtype).view(shape) if size >= _LARGE else torch.zeros(*shape, dtype=dtype)


def _mapped(size: int) -> torch.Tensor:
    """So many bytes of zeros from the system, from the beginning of a large page on."""
    size = -(-size // _LARGE) * _LARGE
    if sys.platform != "linux":
        return torch.zeros(size, dtype=torch.uint8)
    try:
        memory = mmap.mmap(-1, size + _LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no room for {size} bytes") from error
    with contextlib.suppress(OSError):  # a kernel without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    every = torch.frombuffer(memory, dtype=torch.uint8)
    return every[-every.data_ptr() % _LARGE :][:size]


@functools.cache
def _advise() -> Callable | None:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):
        advise = ctypes.CDLL(None).madvise
        advise.argtypes, advise.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], ctypes.c_int
        return advise
    return None


def trim() -> None:
    """Give back what was freed. glibc keeps blocks below some size, which together may be most of a model."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def give_back(tensor: torch.Tensor) -> None:
    """Tell the system that a tensor on the host will hardly be read again.

    Pages of a mapped file leave the memory at once instead of when it runs short, and would be read anew
    if they were asked for. Where the system knows no such call, nothing is done.
    """
    advise = _advise()
    if advise is None or tensor.device.type != "cpu" or not tensor.is_contiguous():
        return
    page = mmap.PAGESIZE
    first = -(-tensor.data_ptr() // page) * page
    length = (tensor.data_ptr() + tensor.numel() * tensor.element_size()) // page * page - first
    if length > 0:
        advise(first, length, _MADV_PAGEOUT)
