"""K/V caches of bfloat16, as numbers and as pairs, hold what a plain one would."""

import pytest
import torch
from core.models import build
from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core.cache import Cache
from s3d_core.kernels import jit
from s3d_core.kernels.kv import NarrowCache, PairedCache
from s3d_core.target import Target

pytestmark = pytest.mark.skipif(not jit.available(), reason="its rows are moved by compiled code")

LAYERS, HEADS, DIM = 9, 2, 16
KINDS = pytest.mark.parametrize("kind", [NarrowCache, PairedCache])


def both(kind):
    plain = Cache(LAYERS, HEADS, DIM, torch.float32, torch.device("cpu"))
    return plain, kind(LAYERS, HEADS, DIM)


def assert_alike(plain, narrow, slots):
    for layer in range(LAYERS):
        for one, other in zip(narrow.read(layer, slots), plain.read(layer, slots), strict=True):
            assert torch.equal(one, other)


@KINDS
@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 40), st.data()), min_size=1, max_size=8), st.integers(0, 1000))
def test_rows_are_written_moved_and_kept_while_it_grows(kind, passes, seed):
    plain, narrow = both(kind)
    dice = torch.Generator().manual_seed(seed)
    for rows, data in passes:
        start = len(plain)
        for cache in (plain, narrow):
            cache.reserve(start + rows)
        for layer in range(LAYERS):
            key, value = (torch.randn(HEADS, rows, DIM, generator=dice).bfloat16().float() for _ in range(2))
            for one, other in zip(
                narrow.write(layer, start, key, value), plain.write(layer, start, key, value), strict=True
            ):
                assert torch.equal(one, other)
        kept = sorted(data.draw(st.sets(st.integers(0, rows - 1), min_size=1)))
        for cache in (plain, narrow):
            cache.commit(kept, kept)
        assert_alike(plain, narrow, len(plain))


def test_what_was_never_written_is_zero():
    """Hidden slots are multiplied by 0, and 0 times what is not a number is not a number."""
    _, paired = both(PairedCache)
    paired.reserve(300)
    assert all(not block.any() for block in paired._blocks)


@KINDS
def test_it_takes_half_the_memory(kind):
    plain, narrow = both(kind)
    for cache in (plain, narrow):
        cache.reserve(100)
    assert 2 * narrow.bytes == plain.bytes


def test_bfloat16_models_use_one_and_float32_ones_do_not():
    here = PairedCache if jit.dots_bf16() else NarrowCache
    for dtype, kind in ((torch.bfloat16, here), (torch.float32, Cache)):
        target = Target(build("phi4 mini").to(dtype))
        target.pack()
        assert type(target.new_cache()) is kind
