"""The fit estimate: its numbers against measured peaks, its verdicts, and what it offers instead."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from core.files import save_gguf

from app.hardware import MemoryReading
from app.models import fit
from app.models.fit import Choice, Verdict, estimate
from app.models.shape import Shape
from s3d_core.errors import ModelError

GIB = 1024**3
ROOT = Path(__file__).resolve().parents[2]
PHI3 = {
    "num_hidden_layers": 32,
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32064,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
PHI4 = PHI3 | {
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "vocab_size": 200064,
    "tie_word_embeddings": True,
}


def memory(total, others=1.0, gpu=False) -> MemoryReading:
    """A reading of GiB."""
    return MemoryReading("x", gpu, int(total * GIB), GIB // 2, int(others * GIB), "x")


def test_sizes_are_those_of_the_real_models():
    assert Shape.from_config(PHI3).parameters == 3_821_079_552  # as its model card says: 3.8B
    assert Shape.from_config(PHI4).parameters == 3_836_021_760


def test_verdicts_follow_what_other_programs_leave():
    shape = Shape.from_config(PHI3)
    needed = estimate(shape, "bfloat16", 4096, memory(64)).needed / GIB
    assert 8.5 < needed < 13
    for total, verdict in (
        (needed * 1.2, Verdict.FITS),
        (needed * 1.05, Verdict.TIGHT),
        (needed * 0.9, Verdict.WONT_FIT),
    ):
        assert estimate(shape, "bfloat16", 4096, memory(total + 3, others=3)).verdict is verdict
    assert estimate(shape, "bfloat16", 4096, memory(needed * 1.2, others=3)).verdict is Verdict.WONT_FIT


def test_the_nearest_choice_is_the_one_that_loses_least():
    shape = Shape.from_config(PHI3)
    # Half the bits before half the context.
    needed = estimate(shape, "bfloat16", 4096, memory(64)).needed / GIB
    found = estimate(shape, "float32", 4096, memory(needed / 0.89 + 1))
    assert found.verdict is Verdict.WONT_FIT
    assert found.nearest == Choice("bfloat16", 4096)
    found = estimate(shape, "bfloat16", None, memory(needed / 0.89 + 1))
    assert found.choice.context == 131072
    assert found.nearest == Choice("bfloat16", 4096)
    assert estimate(shape, "bfloat16", 4096, memory(6)).nearest is None


def test_the_sentences_hold_the_numbers_and_the_way_out():
    shape = Shape.from_config(PHI3)
    found = estimate(shape, "float32", 4096, memory(16))
    assert found.numbers.startswith("Won't fit: needs ")
    assert "Weights in float32: 14.2 GB" in found.numbers
    said = found.refusal("Phi-3-mini")
    assert "\n" not in said
    assert said.startswith("Phi-3-mini needs ")
    assert said.endswith("it fits as bfloat16 with a context of 4,096 tokens.")
    assert estimate(shape, "float32", 4096, memory(4)).refusal("x").endswith("choose a smaller model.")


def test_an_eight_gigabyte_gpu_holds_phi3_in_half_precision_tightly_or_not_at_all():
    """The paper's own case: 7.1 GB of weights leave little of 8 GB, and a 12 GB card has room."""
    shape = Shape.from_config(PHI3)
    assert estimate(shape, "float16", 4096, memory(8, others=0.3, gpu=True)).verdict is Verdict.WONT_FIT
    assert estimate(shape, "float16", 4096, memory(12, others=0.3, gpu=True)).verdict is Verdict.FITS


def test_few_bits_are_for_the_layers_alone_and_leave_the_rest_as_it_is(monkeypatch):
    shape = Shape.from_config(PHI3)
    here = memory(24, gpu=True)
    half, four = (estimate(shape, precision, 4096, here) for precision in ("bfloat16", "nf4"))
    eight = estimate(shape, "int8", 4096, here)
    groups = estimate(shape, "int4", 4096, here)
    outside = 2 * (2 * shape.embedding + shape.hidden)
    assert four.weights == int(outside + 0.5625 * shape.layers * shape.layer)
    assert groups.weights == int(outside + 0.625 * shape.layers * shape.layer)
    assert outside + shape.layers * shape.layer < eight.weights < 0.6 * half.weights
    assert half.cache == four.cache == groups.cache == eight.cache
    assert half.adapter == four.adapter == eight.adapter
    on_the_host = estimate(shape, "nf4", 4096, memory(24))  # it is made of the model in float32 there
    assert on_the_host.weights == 4 * shape.parameters

    # A GPU that is too small for 16 bits is told of four, where it or the library has them.
    small = memory(8.5, gpu=True)
    able = replace(small, capability=(8, 6))
    monkeypatch.setattr(fit, "find_spec", lambda name: object())
    assert estimate(shape, "bfloat16", 4096, small).nearest == Choice("nf4", 4096)
    assert estimate(shape, "bfloat16", 4096, able).nearest == Choice("int4", 4096)
    monkeypatch.setattr(fit, "find_spec", lambda name: None)
    assert estimate(shape, "bfloat16", 4096, able).nearest == Choice("int4", 4096)
    assert estimate(shape, "bfloat16", 4096, replace(small, capability=(7, 5))).nearest is None


@pytest.mark.parametrize("packs", [True, False])
def test_keys_and_values_take_half_in_bfloat16(packs, monkeypatch):
    monkeypatch.setattr(fit, "packs_here", lambda: packs)
    shape = Shape.from_config(PHI3)
    half, whole = (estimate(shape, precision, 4096, memory(64)).cache for precision in ("bfloat16", "float32"))
    assert 2 * half == whole


def test_a_model_is_refused_only_where_no_context_helps(tmp_path):
    folder = tmp_path / "phi"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PHI3))
    assert fit.refusal(folder, memory(24)) is None
    assert fit.context_for(folder, memory(24)) in fit.CONTEXTS
    assert fit.context_for(folder, memory(400)) == 131072
    assert fit.refusal(folder, memory(6)).startswith("phi needs ")
    # What was asked for by name is not swapped for something else.
    assert fit.refusal(folder, memory(24), "bf16", 4096) is None
    said = fit.refusal(folder, memory(24), "auto", 131072)
    assert said.endswith("it fits as bfloat16 with a context of 32,768 tokens.")
    (folder / "config.json").write_text("{")
    assert fit.refusal(folder, memory(6)) is None
    assert fit.context_for(folder, memory(6)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": None},
        {"num_hidden_layers": 0},
        {"vocab_size": "many"},
        {"num_hidden_layers": math.inf},  # JSON as Python reads it may hold Infinity
        {"head_dim": math.inf},
        {"num_attention_heads": math.nan},
    ],
)
def test_a_configuration_without_its_sizes_is_refused(change):
    with pytest.raises(ModelError, match="configuration"):
        Shape.from_config(PHI3 | change)


def test_a_configuration_that_is_nested_without_end_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="cannot be read"):
        Shape.of(tmp_path)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ModelError, match="There is no precision called 'int3'"):
        estimate(Shape.from_config(PHI3), "int3", 4096, memory(16))


def test_a_gguf_file_has_the_shape_of_its_model(tmp_path):
    shape = Shape.of(save_gguf(tmp_path / "phi.gguf", name="phi4 mini"))
    assert (shape.layers, shape.hidden, shape.heads, shape.kv_heads, shape.head_dim) == (6, 96, 6, 2, 16)
    assert shape.tied
    assert shape.vocabulary == 96
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "phi.gguf").read_bytes()[:200])
    with pytest.raises(ModelError, match="damaged"):
        Shape.of(tmp_path / "cut.gguf")


def measured(path: Path, dtype: str, context: int) -> dict:
    """What a process of its own grew by at its peak while it loaded a model and filled its context."""
    script = Path(__file__).with_name("peak_memory.py")
    done = subprocess.run(
        [sys.executable, str(script), str(path), dtype, str(context)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def within_a_tenth(path: Path, dtype: str, context: int) -> None:
    peak = measured(path, dtype, context)
    shape = Shape.of(path)
    found = estimate(shape, dtype, context, memory(64), adapter=peak["has_adapter"])
    assert found.choice.precision == peak["dtype"]
    assert found.needed == pytest.approx(peak["growth"], rel=0.1), (
        f"{found.numbers}\nmeasured {peak['growth'] / GIB:.2f}"
    )


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


@needs_linux
@pytest.mark.parametrize("dtype", ["auto", pytest.param("float32", marks=pytest.mark.thorough)])
def test_the_estimate_is_within_a_tenth_of_the_default_models_peak(default_model, dtype):
    within_a_tenth(default_model, dtype, 1024)


def test_drafting_for_float32_holds_a_tenth_of_the_model_where_layers_are_packed(monkeypatch):
    shape = Shape.from_config(PHI3)
    monkeypatch.setattr(fit, "packs_here", lambda: True)
    found = estimate(shape, "float32", 4096, memory(64))
    assert found.adapter == found.weights // 10
    monkeypatch.setattr(fit, "packs_here", lambda: False)
    assert 0 < estimate(shape, "float32", 4096, memory(64)).adapter < found.adapter / 2


@needs_linux
@pytest.mark.thorough
@pytest.mark.parametrize("changes", [{}, PHI4], ids=["phi3", "phi4"])
@pytest.mark.parametrize("context", [512, 2048])
def test_the_estimate_is_within_a_tenth_for_phi_shapes(tmp_path, changes, context):
    from core.models import word_tokenizer
    from transformers import Phi3Config
    from transformers.models.auto import AutoModelForCausalLM

    config = Phi3Config(**(PHI3 | changes | {"num_hidden_layers": 4, "max_position_embeddings": 4096}))
    import torch

    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(tmp_path / "phi")
    word_tokenizer().save_pretrained(tmp_path / "phi")
    within_a_tenth(tmp_path / "phi", "bfloat16", context)
