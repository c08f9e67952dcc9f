"""Weights of eight and four bits, by the library itself, which runs on processors too."""

import sys
from dataclasses import replace

import pytest
import torch
from core.models import VOCABULARY, build, random_adapter, word_tokenizer
from core.tape import TapePool

from s3d_core import quantised
from s3d_core.bench.traffic import Traffic
from s3d_core.engine import Engine
from s3d_core.errors import ModelError
from s3d_core.layer import LINEARS, as_tensor
from s3d_core.load import Loaded, quantise
from s3d_core.quantised import FORMATS
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.target import Target

CPU = torch.device("cpu")
GRID = [
    DraftSettings("plain"),
    DraftSettings("lookup", draft_length=3),
    DraftSettings("skip", skipped=2, draft_length=3),
    DraftSettings("s3d", skipped=2, draft_length=4, tree_size=16),
    DraftSettings("auto"),
]
PROMPT = [3 + (i * i) % 31 for i in range(20)]
every = pytest.mark.parametrize("name", FORMATS)


def weight_and_rows():
    dice = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(96, 128, generator=dice), torch.randn(17, 128, generator=dice)


def engine_of(target: Target, record=None) -> Engine:
    adapter = random_adapter(target)
    if record:
        target.record(record)
    return Engine(Loaded(target, word_tokenizer(), frozenset({2}), "test"), "test", adapter.fit(target))


def written(engine, draft, sampling=SamplingSettings(max_tokens=32)):  # noqa: B008
    return [token for done in engine.generate(PROMPT, draft, sampling) for token in done.ids]


def test_four_bits_multiply_with_the_weight_that_they_stand_for():
    weight, x = weight_and_rows()
    held = FORMATS["nf4"](weight)
    torch.testing.assert_close(held(x), x @ held.unpacked().T)
    # The widest gap of the 16 values is a third of a block's largest number.
    largest = weight.view(-1, 64).abs().amax(1, keepdim=True)
    assert ((held.unpacked() - weight).view(-1, 64).abs() <= 0.16 * largest).all()
    assert sum(t.nbytes for t in held.held) == weight.numel() * (0.5 + 4 / 64)


@pytest.mark.parametrize("outputs", [96, 100, 5000])
def test_groups_of_four_bits_multiply_rounded_rows_with_the_weight_that_they_stand_for(outputs):
    dice = torch.Generator().manual_seed(0)
    weight, x = 0.1 * torch.randn(outputs, 128, generator=dice), torch.randn(17, 128, generator=dice)
    weight[3, 32:64] = 0.25  # a group without a range
    held = FORMATS["int4"](weight)
    assert held.unpacked().shape == weight.shape
    torch.testing.assert_close(held(x), x.bfloat16().float() @ held.unpacked().T, rtol=0.01, atol=0.02)
    groups = weight.view(-1, 32)
    half_step = (groups.amax(1) - groups.amin(1)).unsqueeze(1) / 30
    rounded = groups.abs().amax(1, keepdim=True) / 128  # by bfloat16
    assert ((held.unpacked().view(-1, 32) - groups).abs() <= half_step + rounded).all()
    assert torch.equal(held(x)[5:6], held(x[5:6]))  # a row does not depend on its company
    rows = outputs + -outputs % 16
    assert sum(t.nbytes for t in held.held) == rows * 128 * 0.625


def test_eight_bits_multiply_rounded_rows_with_rounded_weights_in_whole_numbers():
    weight, x = weight_and_rows()
    held = FORMATS["int8"](weight)
    scale = x.half().float().abs().amax(1, keepdim=True) / 127
    rounded = scale * (x.half().float() / scale).round()
    torch.testing.assert_close(held(x), rounded @ held.unpacked().T, rtol=2e-3, atol=2e-3)
    steps = weight.abs().amax(1, keepdim=True) / 127  # and a rounding to float16, at most a sixteenth of one
    assert ((held.unpacked() - weight).abs() <= 0.57 * steps).all()
    assert sum(t.nbytes for t in held.held) == weight.numel() + 4 * weight.shape[0]
    assert torch.equal(held(x)[5:6], held(x[5:6]))  # a row does not depend on its company


@every
@pytest.mark.parametrize("shape", ["llama tied", "qwen2", "phi3 window 24"])
def test_every_strategy_writes_the_same_text_as_the_dequantised_model(name, shape):
    target = Target(build(shape, even=name == "int4"))
    bytes_before, fingerprint = target.bytes, target.fingerprint()
    quantise(target, name, CPU)
    assert target.precision == name
    assert target.fingerprint() == fingerprint
    assert target.bytes < 0.75 * bytes_before
    engine = engine_of(target)
    expected = written(engine, GRID[0])
    for draft in GRID[1:]:
        assert written(engine, draft) == expected, draft
    if name == "nf4":  # with the others the rows are rounded too
        model = Target(build(shape))
        for layer, few in zip(model.layers, target.layers, strict=True):
            for linear in LINEARS:
                setattr(layer, linear, as_tensor(getattr(few, linear)))
        assert written(engine_of(model), GRID[0]) == expected


@every
def test_recorded_passes_write_the_same_text(name):
    texts = []
    for record in (None, TapePool):
        target = Target(build("qwen3", even=name == "int4"))
        quantise(target, name, CPU)
        engine = engine_of(target, record)
        texts += [written(engine, draft) for draft in (GRID[0], GRID[3])]
    assert texts == texts[:1] * 4


def test_a_model_is_loaded_in_four_bits_and_what_verifying_costs_is_known(folder):
    usual = Engine.load(folder, dtype="float32", device="cpu", adapter=None)
    engine = Engine.load(folder, dtype="nf4", device="cpu", adapter=None)
    assert engine.info.dtype == "nf4"
    assert engine.info.weight_bytes == engine.target.bytes < usual.info.weight_bytes
    assert Traffic(engine).plain < Traffic(usual).plain
    assert engine.info.verify_ratio > 0
    assert written(engine, GRID[1]) == written(engine, GRID[0])
    few_bits = sum(getattr(layer, name).shape.numel() for layer in engine.target.layers for name in LINEARS)
    saved = usual.info.weight_bytes - engine.info.weight_bytes
    assert saved >= 3.4 * few_bits  # of four bytes a number


@pytest.mark.parametrize(
    ("dtype", "ratio", "slow"),
    [("nf4", 2.4, True), ("int8", 1.6, True), ("nf4", 1.4, False), ("nf4", None, False), ("bfloat16", 2.4, False)],
)
def test_a_format_is_slow_by_what_was_measured_and_bfloat16_is_what_it_is_compared_with(folder, dtype, ratio, slow):
    info = Engine.load(folder, dtype="float32", device="cpu", adapter=None).info
    assert replace(info, dtype=dtype, verify_ratio=ratio).verifies_slowly is slow


def test_without_the_library_it_is_said_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    quantised._library.cache_clear()
    with pytest.raises(ModelError, match=r"^nf4 weights need the package bitsandbytes: install it with .*bfloat16\.$"):
        Engine.load(folder, dtype="nf4", device="cpu")


def test_groups_of_four_bits_need_a_gpu_that_multiplies_bfloat16(monkeypatch):
    able = {"cuda:0": (8, 0), "cuda:1": (12, 0), "cuda:2": (7, 5)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: able[str(device)])
    quantised.check("int4", torch.device("cuda:0"))
    quantised.check("int4", torch.device("cuda:1"))
    with pytest.raises(ModelError, match=r"^int4 weights need an NVIDIA GPU of the RTX 30 series or later; choose "):
        quantised.check("int4", torch.device("cuda:2"))


def test_matrices_that_cannot_be_cut_into_groups_are_refused():
    with pytest.raises(ModelError, match=r"^This model's matrices cannot be cut into groups that share a scale; "):
        FORMATS["int4"](torch.randn(32, 40))


def test_a_library_that_breaks_at_its_import_is_one_sentence(monkeypatch):
    def breaks():
        raise RuntimeError("no libcudart")

    monkeypatch.setattr(quantised, "_library", breaks)
    with pytest.raises(ModelError, match=r"^bitsandbytes cannot be used here \(no libcudart\); choose bfloat16\.$"):
        quantised.check("nf4", CPU)


def test_the_vocabulary_stays_in_sixteen_bits():
    target = Target(build("llama"))
    quantise(target, "nf4", CPU)
    assert isinstance(target.head, torch.Tensor)
    assert target.embedding.shape == (VOCABULARY, 48)
