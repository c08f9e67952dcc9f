"""Blocks of keys and values as attention takes them, and the large pages they are read from."""

import ctypes

import pytest
import torch

from s3d_core.kernels import jit
from s3d_core.kernels.block import turned
from s3d_core.kernels.jit import Code
from s3d_core.pages import roomy


@pytest.mark.skipif(not jit.available(), reason="compiled loops need AVX2 on Linux")
@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_vectors_become_their_columns(lanes):
    from llvmlite import ir

    name = f"turned_{lanes}"
    module = ir.Module(name)
    code = Code(module, name, ["p", "p"])
    source, goal = code.arguments
    kind, line = code.floats(lanes), 4 * lanes
    for i, column in enumerate(turned(code, [code.load(code.at(source, line * i), kind) for i in range(lanes)])):
        code.store(column, code.at(goal, line * i))
    code.b.ret_void()
    jit.compile_module(module)
    rows, columns = torch.randn(lanes, lanes), torch.empty(lanes, lanes)
    ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2)(jit.address(name))(rows.data_ptr(), columns.data_ptr())
    assert torch.equal(columns, rows.T)


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 0, 64), (2, 8, 3, 512, 64), (3, 700_001)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_large_pages_hold_zeros_that_can_be_written(shape, dtype):
    held = roomy(shape, dtype)
    assert held.shape == shape
    assert held.dtype == dtype
    assert held.is_contiguous()
    assert not held.any()
    held += 1
    assert held.sum(dtype=torch.float64) == held.numel()


def test_memory_that_is_not_there_is_said_to_be_missing():
    with pytest.raises((MemoryError, RuntimeError)):
        roomy((1 << 50,), torch.uint8)
