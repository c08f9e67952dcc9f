"""Giving memory back to the system: of weights that were mapped from a file, and of a model that is gone."""

import contextlib
import ctypes
import functools
import mmap
import sys
from collections.abc import Callable

import torch

# Linux's number; unlike MADV_DONTNEED it never loses what was written.
_MADV_PAGEOUT = 21


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
