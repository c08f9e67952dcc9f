"""Products of few rows with packed weights, against torch's."""

import pytest
import torch

from s3d_core.kernels import jit
from s3d_core.kernels.layout import fits
from s3d_core.kernels.skinny import Packed

needs_kernels = pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


@pytest.fixture(params=["as this machine does", "without dot products"])
def instructions(request, monkeypatch):
    """Code for this processor, and what one without AVX512-BF16 would run."""
    if request.param == "without dot products":
        if not jit.dots_bf16():
            pytest.skip("this processor has no others")
        monkeypatch.setattr(jit, "dots_bf16", lambda: False)


def multiplied(packed, x):
    """The rows as the product reads them."""
    return x.bfloat16().double() if packed.layout.kind == "dots" else x.double()


# Outputs of one block, of a whole and of a broken group of blocks; inputs short and long.
SHAPES = [(16, 4), (48, 80), (160, 48), (272, 576), (1536, 64)]


def random_weight(out, into, dtype, seed=0):
    return torch.randn(out, into, generator=torch.Generator().manual_seed(seed)).to(dtype)


def random_rows(rows, into, seed=1):
    return torch.randn(rows, into, generator=torch.Generator().manual_seed(seed))


@needs_kernels
@DTYPES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_the_product_is_torchs(dtype, shape, threads, instructions):
    torch.set_num_threads(threads)
    weight = random_weight(*shape, dtype)
    packed = Packed(weight)
    # Every height a tile can have, and each number of tiles to 40 rows.
    for rows in range(1, 41) if shape == SHAPES[1] else (1, 2, 9, 10, 17, 40):
        x = random_rows(rows, shape[1])
        got = packed(x)
        assert got.shape == (rows, shape[0])
        torch.testing.assert_close(got, (multiplied(packed, x) @ weight.double().T).float(), atol=1e-4, rtol=1e-4)


@needs_kernels
@DTYPES
@pytest.mark.parametrize("threads", [1, 3])
def test_a_rows_result_does_not_depend_on_its_company(dtype, threads, instructions):
    packed = Packed(random_weight(160, 48, dtype))
    x = random_rows(40, 48)
    torch.set_num_threads(1)
    alone = torch.cat([packed(row[None]) for row in x])
    torch.set_num_threads(threads)
    for rows in range(1, 41):
        assert torch.equal(packed(x[:rows]), alone[:rows]), f"{rows} rows"
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    assert torch.equal(packed(x[order]), alone[order])


@needs_kernels
def test_rows_may_be_a_view():
    packed = Packed(random_weight(48, 80, torch.float32))
    wide = random_rows(5, 160)
    assert torch.equal(packed(wide[:, ::2]), packed(wide[:, ::2].contiguous()))


@needs_kernels
@DTYPES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_packing_loses_nothing(dtype, shape):
    weight = random_weight(*shape, dtype)
    packed = Packed(weight)
    assert packed.shape == weight.shape
    assert packed.blocks.dtype == dtype
    assert torch.equal(packed.unpacked(), weight)
    ids = torch.tensor([0, shape[0] - 1, 3, 3, shape[0] // 2])
    assert torch.equal(packed.rows(ids), weight[ids].float())
    assert torch.equal(packed.rows(ids[:4].view(2, 2)), weight[ids[:4].view(2, 2)].float())


@needs_kernels
def test_a_row_that_is_not_there_is_refused():
    packed = Packed(random_weight(48, 80, torch.float32))
    assert packed.rows(torch.zeros(0, dtype=torch.int64)).shape == (0, 80)
    for wrong in (-1, 48):
        with pytest.raises(IndexError, match="from 0 to 47"):
            packed.rows(torch.tensor([3, wrong]))


def test_what_does_not_fit_is_refused():
    assert fits(torch.zeros(32, 12), "f32")
    assert fits(torch.zeros(32, 12, dtype=torch.bfloat16), "bf16")
    assert fits(torch.zeros(32, 48, dtype=torch.bfloat16), "int8")
    assert not fits(torch.zeros(32, 12, dtype=torch.bfloat16), "int8")
    assert not fits(torch.zeros(33, 12), "f32")
    assert not fits(torch.zeros(32, 13), "f32")
    assert not fits(torch.zeros(32, 12, dtype=torch.float16), "f32")
    assert not fits(torch.zeros(32, 12, dtype=torch.float64), "f32")
    assert not fits(torch.zeros(32, 12, device="meta"), "f32")
