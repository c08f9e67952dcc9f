"""The K/V cache of bfloat16 pairs holds what a plain one would."""

import pytest
import torch
from core.models import build
from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core.cache import Cache
from s3d_core.kernels import jit
from s3d_core.kernels.kv import PairedCache
from s3d_core.target import Target

pytestmark = pytest.mark.skipif(not jit.available(), reason="its rows are moved by compiled code")

LAYERS, HEADS, DIM = 9, 2, 16


def plain_and_paired():
    plain = Cache(LAYERS, HEADS, DIM, torch.float32, torch.device("cpu"))
    return plain, PairedCache(LAYERS, HEADS, DIM)


def assert_alike(plain, paired, slots):
    for layer in range(LAYERS):
        for one, other in zip(paired.read(layer, slots), plain.read(layer, slots), strict=True):
            assert torch.equal(one, other)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 40), st.data()), min_size=1, max_size=8), st.integers(0, 1000))
def test_rows_are_written_moved_and_kept_while_it_grows(passes, seed):
    plain, paired = plain_and_paired()
    dice = torch.Generator().manual_seed(seed)
    for rows, data in passes:
        start = len(plain)
        for cache in (plain, paired):
            cache.reserve(start + rows)
        for layer in range(LAYERS):
            key, value = (torch.randn(HEADS, rows, DIM, generator=dice).bfloat16().float() for _ in range(2))
            for one, other in zip(
                paired.write(layer, start, key, value), plain.write(layer, start, key, value), strict=True
            ):
                assert torch.equal(one, other)
        kept = sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1)))
        for cache in (plain, paired):
            cache.commit(kept, kept)
        assert_alike(plain, paired, len(plain))


def test_what_was_never_written_is_zero():
    """Hidden slots are multiplied by 0, and 0 times what is not a number is not a number."""
    _, paired = plain_and_paired()
    paired.reserve(300)
    assert all(not block.any() for block in paired._blocks)


def test_it_takes_half_the_memory():
    plain, paired = plain_and_paired()
    for cache in (plain, paired):
        cache.reserve(100)
    assert 2 * paired.bytes == plain.bytes


@pytest.mark.skipif(not jit.dots_bf16(), reason="without dot products of bfloat16, K/V stay float32")
def test_bfloat16_models_use_it_and_float32_ones_do_not():
    for dtype, kind in ((torch.bfloat16, PairedCache), (torch.float32, Cache)):
        target = Target(build("phi4 mini").to(dtype))
        target.pack()
        assert type(target.new_cache()) is kind
