"""Weights of eight and four bits and rows of eight, against the same numbers multiplied in float64."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from core.models import CONFIGS, build, engine_for, random_adapter
from core.test_compiled_layers import run_pass, tree_of

from s3d_core.decode import prefill, verify
from s3d_core.kernels import eight_bits, four_bits, jit
from s3d_core.kernels.layout import Layout, fits
from s3d_core.kernels.skinny import Packed
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target

pytestmark = pytest.mark.skipif(not jit.dots_int8(), reason="needs AVX2 on Linux")

KINDS = pytest.mark.parametrize("kind", ["int8", "int4"])
# With eight bits groups of 64, of 16 and of 32 inputs; blocks alone, in a whole panel and in many.
SHAPES = [(16, 64), (48, 80), (160, 96), (272, 576), (1536, 128)]


def random_weight(out, into, seed=0):
    return torch.randn(out, into, generator=torch.Generator().manual_seed(seed))


def random_rows(rows, into, seed=1):
    return torch.randn(rows, into, generator=torch.Generator().manual_seed(seed))


def rounded_rows(x, kind):
    """What the quantiser makes of rows, in float64."""
    groups = x.double().unflatten(1, (-1, Layout(x.shape[1], 1, kind).group))
    scale = groups.abs().amax(dim=2, keepdim=True) / 127
    return ((groups / scale.clamp(min=1e-300)).round() * scale).flatten(1)


@KINDS
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_product_is_that_of_the_rounded_numbers(shape, threads, kind):
    torch.set_num_threads(threads)
    if not fits(random_weight(*shape), kind):
        pytest.skip("groups of 32 inputs need so many")
    packed = Packed(random_weight(*shape), kind=kind)
    weight = packed.unpacked().double()
    for rows in range(1, 41) if shape == SHAPES[1] else (1, 2, 9, 10, 17, 24, 25, 40):
        x = random_rows(rows, shape[1])
        x[0, :32] = 0.0
        expected = (rounded_rows(x, kind) @ weight.T).float()
        got = packed(x)
        # Ties between two steps may be rounded either way.
        assert (got - expected).abs().max() < 0.02 * expected.std()
        assert (got - expected).std() < 0.002 * expected.std()


@KINDS
@pytest.mark.parametrize("threads", [1, 3])
def test_a_rows_result_does_not_depend_on_its_company(threads, kind):
    torch.set_num_threads(threads)
    packed = Packed(random_weight(160, 96), kind=kind)
    x = random_rows(40, 96)
    whole = packed(x)
    for rows in (1, 3, 9, 17, 24):
        assert torch.equal(packed(x[:rows]), whole[:rows])


def test_a_weight_is_off_by_half_a_step_at_most():
    weight = random_weight(64, 128)
    packed = Packed(weight, kind="int8")
    step = weight.unflatten(1, (2, 64)).abs().amax(dim=2) / 127
    off = (packed.unpacked() - weight).abs().unflatten(1, (2, 64)).amax(dim=2)
    # Scales are rounded up to bfloat16.
    assert (off <= 0.5 * 1.01 * step).all()
    assert packed.layout.block_bytes * 4 == packed.blocks.numel()
    ids = torch.tensor([3, 63, 3, 17])
    assert torch.equal(packed.rows(ids), packed.unpacked()[ids])


def test_a_weight_of_four_bits_is_off_by_half_a_step_at_most():
    weight = random_weight(64, 128)
    packed = Packed(weight, kind="int4")
    grouped = weight.unflatten(1, (4, 32))
    step = (grouped.amax(dim=2) - grouped.amin(dim=2)) / 15
    off = (packed.unpacked() - weight).abs().unflatten(1, (4, 32)).amax(dim=2)
    # Scales and least values are rounded to half precision.
    assert (off <= 0.5 * 1.01 * step).all()
    assert packed.layout.block_bytes * 4 == packed.blocks.numel()
    ids = torch.tensor([3, 63, 3, 17])
    assert torch.equal(packed.rows(ids), packed.unpacked()[ids])


def test_weights_of_q4_1_come_back_as_they_were():
    numbers = torch.randint(0, 16, (32, 4, 32), generator=torch.Generator().manual_seed(3))
    numbers[:, :, 0], numbers[:, :, 1] = 0, 15  # as whoever writes the format leaves them
    scales = torch.rand(2, 32, 4, 1, generator=torch.Generator().manual_seed(4)).half().float()
    weight = (numbers * scales[0] - scales[1]).flatten(1)
    torch.testing.assert_close(Packed(weight, kind="int4").unpacked(), weight, atol=1e-6, rtol=1e-3)
    steps, _ = four_bits.quantised(weight)
    assert torch.equal(steps.unflatten(1, (4, 32)).long(), numbers)


def test_rows_of_nothing_and_of_one_large_number_stay_right():
    weight = torch.zeros(16, 64)
    weight[3, 5] = 2.0
    packed = Packed(weight, kind="int8")
    x = torch.zeros(2, 64)
    x[1, 5] = 1e6
    expected = torch.zeros(2, 16)
    expected[1, 3] = 2e6
    torch.testing.assert_close(packed(x), expected, rtol=0.01, atol=0)


@KINDS
def test_rows_can_be_replaced(kind):
    packed = Packed(random_weight(64, 128), kind=kind)
    rows, places = random_weight(3, 128, seed=7), torch.tensor([5, 16, 63])
    packed.put(places, rows)
    assert torch.equal(packed.unpacked()[places], Packed(rows.repeat(16, 1)[:16], kind=kind).unpacked()[:3])


def test_what_eight_bits_are_kept_in():
    packed = Packed(random_weight(64, 128), kind="int8")
    rows = random_weight(3, 128, seed=7)
    numbers, scales = eight_bits.quantised(rows, packed.layout)
    assert numbers.dtype == torch.uint8
    assert scales.dtype == torch.bfloat16


def stock_with(packed, model):
    """Stock layers with the very weights that packed ones stand for."""
    stock = Target(model)
    for layer, held in zip(stock.layers, packed.layers, strict=True):
        for linear in ("qkv", "o", "gate_up", "down"):
            setattr(layer, linear, getattr(held, linear).unpacked())
        for norm in ("attention_norm", "mlp_norm"):
            setattr(layer, norm, getattr(held, norm))
    stock.head, stock.norm = packed.head.unpacked(), packed.norm
    return stock


@KINDS
@pytest.mark.parametrize("name", CONFIGS)
def test_a_pass_is_torchs_but_for_its_rounding(name, kind):
    torch.set_num_threads(2)
    packed = Target(build(name, even=kind == "int4").bfloat16())
    assert packed.pack(kind)
    assert packed.precision == kind
    assert packed.compiles
    stock = stock_with(packed, build(name, even=kind == "int4"))
    for rows in (1, 4, 17, 70):
        got, expected = (run_pass(target, 30, rows)[0] for target in (packed, stock))
        # One of the models makes much of any rounding.
        assert (got - expected).std() < (
            0.3 if name == "phi4 mini" else 0.12 if kind == "int8" else 0.2
        ) * expected.std()


@KINDS
@pytest.mark.parametrize("name", ["llama", "phi4 mini"])
def test_a_rows_result_is_the_same_in_every_tree(name, kind):
    target = Target(build(name, even=kind == "int4").bfloat16())
    assert target.pack(kind)
    cache = target.new_cache()
    prompt = [3 + i % 80 for i in range(37)]
    prefill(target, cache, prompt)
    for rows in (2, 9, 17, 40):
        tree = tree_of(rows)
        together = verify(target, cache, prompt[-1], tree).clone()
        assert torch.equal(together[0], verify(target, cache, prompt[-1], tree.first(0))[0])


@KINDS
def test_a_draft_pass_runs_with_the_adapters_updates(kind):
    torch.set_num_threads(2)
    target = Target(build("llama", even=kind == "int4").bfloat16())
    adapter = random_adapter(target)
    assert target.pack(kind)
    fitted, kept = adapter.fit(target), target.kept_layers(2)
    with_updates = run_pass(target, 30, 4, fitted.updates, kept)[0]
    without = run_pass(target, 30, 4, None, kept)[0]
    assert not torch.allclose(with_updates, without, atol=1e-2)
    stock = stock_with(target, build("llama", even=kind == "int4"))
    expected = run_pass(stock, 30, 4, adapter.fit(stock).updates, kept)[0]
    assert (with_updates - expected).std() < 0.1 * expected.std()


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@KINDS
@pytest.mark.parametrize("name", ["llama", "phi4 mini", "qwen3"])
def test_the_same_seed_gives_the_same_text_with_every_strategy(name, temperature, kind):
    engine = engine_for(build(name, even=kind == "int4").bfloat16(), packed=kind)
    assert engine.info.dtype == kind
    sampling = SamplingSettings(temperature=temperature, seed=5, max_tokens=48)

    def text(draft):
        return [token for done in engine.generate([7, 9, 11, 13, 5], draft, sampling) for token in done.ids]

    plain = text(DraftSettings("plain"))
    for draft in (DraftSettings("s3d", 2, 4, 16), DraftSettings("s3d", 3, 3, 1), DraftSettings("lookup", 2, 4, 8)):
        assert text(draft) == plain


@KINDS
def test_the_instructions_of_other_processors_give_the_same(kind):
    """In a process of its own, as a compiled function is there for good."""
    others = Path(__file__).with_name("other_instructions.py")
    done = subprocess.run([sys.executable, str(others), kind], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
