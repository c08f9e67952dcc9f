"""The measurement of precisions: real products, on small shapes."""

import pytest
import torch

from s3d_core import precision
from s3d_core.kernels import jit
from s3d_core.kernels.skinny import Packed
from s3d_core.precision import READ_ROWS, ROWS, Sizes, measure, why_not_int8

SMALL = Sizes(layers=4, hidden=96, attended=96, kept=48, intermediate=192, vocabulary=960)
PHI3 = Sizes(layers=32, hidden=3072, attended=3072, kept=3072, intermediate=8192, vocabulary=32064)


def here() -> list[str]:
    return ["float32", "bfloat16", *([] if why_not_int8(SMALL) else ["int8"])]


def test_every_precision_of_this_machine_is_timed_for_every_number_of_rows():
    said = []
    found, steady = measure(SMALL, here(), lambda phase, share: said.append(share), most_bytes=1 << 20)
    assert list(found) == here()
    for times in found.values():
        assert set(times) == {*ROWS, READ_ROWS}
        assert all(0 < ms < 10_000 for ms in times.values())
    assert isinstance(steady, bool)
    assert said == sorted(said)
    assert 0 <= said[0] <= said[-1] <= 1


def test_a_measurement_can_be_broken_off():
    def stop(phase, share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, ["float32"], stop, most_bytes=1 << 18)


@pytest.mark.parametrize("most", [1 << 16, 1 << 20, 64 << 20])
@pytest.mark.parametrize("sizes", [SMALL, PHI3], ids=["small", "phi3"])
def test_a_part_has_about_the_size_that_was_wanted_and_the_models_own_inputs(sizes, most):
    shapes, times = sizes.part(most)
    numbers = times * sum(out * into for out, into in shapes)
    smallest = sum(48 * into for _, into in shapes)
    layer = sum(out * into for out, into in sizes.linears)
    assert numbers <= max(1.4 * most, smallest) + layer
    assert numbers >= min(0.6 * most, 0.6 * sizes.numbers)
    assert [into for _, into in shapes] == [*(into for _, into in sizes.linears), sizes.hidden]
    assert all(out <= whole for (out, _), (whole, _) in zip(shapes, sizes.linears, strict=False))


def test_the_whole_of_a_small_model_stands_for_itself():
    shapes, times = SMALL.part(1 << 30)
    assert times == SMALL.layers
    assert shapes[:-1] == list(SMALL.linears)
    # The output head is read once, a quarter with each layer.
    assert times * shapes[-1][0] == SMALL.vocabulary


@pytest.mark.skipif(not jit.available(), reason="nothing is packed here")
def test_what_is_timed_is_held_as_a_loaded_model_would_hold_it():
    for name in here():
        weights, times = precision._weights(SMALL, name, 1 << 20)
        assert all(isinstance(weight, Packed) for weight in weights)
        assert len({weight.blocks.data_ptr() for weight in weights}) == len(weights) == 5 * times
        assert weights[0].layout.kind == {"float32": "f32", "int8": "int8"}.get(name, weights[0].layout.kind)
        x = torch.full((3, 96), 0.1)
        torch.testing.assert_close(weights[0](x), weights[5](x))


def test_models_that_cannot_be_packed_are_timed_as_torch_runs_them():
    odd = Sizes(layers=2, hidden=30, attended=30, kept=10, intermediate=50, vocabulary=77)
    weights, _ = precision._weights(odd, "bfloat16", 1 << 16)
    assert all(isinstance(weight, torch.Tensor) and weight.dtype == torch.bfloat16 for weight in weights)
    found, _ = measure(odd, ["float32", "bfloat16"], most_bytes=1 << 16)
    assert set(found) == {"float32", "bfloat16"}
    assert why_not_int8(odd) == ("matrices" if jit.dots_int8() else "processor")


def test_the_largest_cache_is_read(tmp_path, monkeypatch):
    for index, size in enumerate(("32K", "1024K", "32M", "", "lots")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size + "\n")
    monkeypatch.setattr(precision, "_CACHES", tmp_path)
    assert precision._cache_bytes() == 32 << 20
    monkeypatch.setattr(precision, "_CACHES", tmp_path / "nowhere")
    assert precision._cache_bytes() == 0
