"""Which precision is chosen, by measurements that are made up; and how a real one is kept, and lost."""

import json
import stat
import sys
from datetime import date
from pathlib import Path

import pytest
import torch

from app.engine import precision as engine
from app.engine.precision import Precision, choose, opened
from app.hardware import MemoryReading
from app.models import precision
from app.models.precision import Choice, Machine, Measured, decide, keep, recall, record_path, said
from app.models.shape import Shape
from s3d_core.errors import ModelError

GIB = 1024**3
BOTH = {"bfloat16": True, "float32": True}
DAY = date(2026, 11, 28)
HERE = Machine("A processor", 2, 2, "2.13.0", "1.0, products 1", ("AVX512", "compiled"))
SHAPE = Shape(30, 576, 1536, 9, 3, 64, 49152, True, False, 8192)


def times(one: float, nine: float, seventeen: float, read: float) -> dict[int, float]:
    return {1: one, 9: nine, 17: seventeen, 72: read}


# Half the bytes, and pairs multiplied at once: as a processor with bfloat16 dot products has it.
FAST16 = Measured(day=DAY, ms={"float32": times(16, 22, 28, 100), "bfloat16": times(8, 13, 24, 60)})
# A processor for which torch widens bfloat16 by hand: a step is faster, and reading a prompt very slow.
SLOW16 = Measured(day=DAY, ms={"float32": times(50, 70, 90, 370), "bfloat16": times(36, 300, 530, 2500)})


def test_the_fastest_is_chosen_reading_the_prompt_included():
    assert decide(FAST16, BOTH) == Choice("bfloat16", "fastest", FAST16)
    assert decide(SLOW16, BOTH) == Choice("float32", "fastest", SLOW16)


def test_equally_fast_ones_are_told_apart_by_their_memory():
    even = Measured(day=DAY, ms={"float32": times(8, 13, 24, 60), "bfloat16": times(8.2, 13.2, 24.5, 61)})
    assert decide(even, BOTH).precision == "bfloat16"


def test_what_does_not_fit_is_not_chosen_and_that_is_the_reason():
    assert decide(SLOW16, BOTH | {"float32": False}) == Choice("bfloat16", "memory", SLOW16)
    assert decide(SLOW16, {"bfloat16": False, "float32": False}) == Choice("bfloat16", "memory", SLOW16)
    assert decide(FAST16, BOTH | {"float32": False}).why == "fastest"


def test_eight_bits_are_never_chosen_but_their_gain_is_told():
    ms = dict(FAST16.ms) | {"int8": times(4, 7, 11, 30)}
    found = decide(Measured(day=DAY, ms=ms), BOTH)
    assert found.precision == "bfloat16"
    assert found.measured.gain("int8", "bfloat16") > 1.5
    assert "int8 would write about 1.9 x as fast, but not with the model's own numbers." in said(found, "bfloat16")
    assert FAST16.gain("int8", "bfloat16") is None


def test_drafting_counts_where_it_pays():
    dear = times(10, 100, 200, 72)
    assert Measured(day=DAY, ms={"float32": dear}).written("float32") == 10
    flat = times(10, 11, 12, 72)
    assert Measured(day=DAY, ms={"float32": flat}).written("float32") < 7
    assert Measured(day=DAY, ms={"float32": flat}).read("float32") == 1


def test_a_busy_machine_leaves_it_to_the_rule():
    rough = Measured(day=DAY, steady=False, ms=SLOW16.ms)
    assert decide(rough, BOTH) == Choice("auto", "busy", rough)
    assert "roughly, as other programs were busy" in said(decide(rough, BOTH), "bfloat16")


def test_the_sentence_holds_the_reason_and_the_numbers():
    sentence = said(decide(FAST16, BOTH), "bfloat16")
    assert sentence == (
        "bfloat16: the fastest here that keeps the model's own numbers. Measured on 2026-11-28, products alone: "
        "bfloat16 8.0 ms a plain token, 24.0 ms 17 rows, 1,200 tokens/s read; "
        "float32 16.0 ms a plain token, 28.0 ms 17 rows, 720 tokens/s read."
    )
    for why in ("memory", "asked", "gpu", "unknown"):
        assert said(Choice("bfloat16", why), "bfloat16").startswith("bfloat16: ")


# -- on the disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def path(home) -> Path:
    return record_path()


def test_what_is_kept_is_recalled_for_such_models_on_this_machine_alone(path):
    assert recall(SHAPE, HERE) is None
    keep(SHAPE, HERE, FAST16)
    assert recall(SHAPE, HERE) == FAST16
    larger = Shape(32, *[getattr(SHAPE, name) for name in list(SHAPE.__dict__)[1:]])
    assert recall(larger, HERE) is None
    keep(larger, HERE, SLOW16)
    assert (recall(SHAPE, HERE), recall(larger, HERE)) == (FAST16, SLOW16)
    for other in (
        Machine("Another", *list(HERE.__dict__.values())[1:]),
        Machine("A processor", 2, 1, "2.13.0", "1.0, products 1", ("AVX512", "compiled")),
        Machine("A processor", 2, 2, "2.13.0", "1.0, products 1", ("AVX512",)),
    ):
        assert recall(SHAPE, other) is None
    # Another machine's measurements are of no use here.
    keep(SHAPE, Machine("Another", 2, 2, "2.13.0", "1.0", ()), SLOW16)
    assert recall(SHAPE, HERE) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_only_the_user_may_read_it_and_nothing_else_is_left(path):
    keep(SHAPE, HERE, FAST16)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["precision.json"]


def test_a_rough_measurement_is_not_kept(path):
    keep(SHAPE, HERE, Measured(day=DAY, steady=False, ms=FAST16.ms))
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 50_000, "\x00", '{"version": 1}', "x" * 2_000_000])
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(path, text):
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert recall(SHAPE, HERE) is None
    keep(SHAPE, HERE, FAST16)
    assert recall(SHAPE, HERE) == FAST16


@pytest.mark.parametrize(
    "change",
    [
        {"day": "some day"},
        {"ms": {}},
        {"ms": {"int8": {"1": 1, "9": 1, "17": 1, "72": 1}}},
        {"ms": {"float32": {"1": 1, "9": 1, "17": 1}}},
        {"ms": {"float32": {"1": 0, "9": 1, "17": 1, "72": 1}}},
        {"ms": {"float32": {"1": -5, "9": 1, "17": 1, "72": 1}}},
        {"ms": {"float32": {"1": float("nan"), "9": 1, "17": 1, "72": 1}}},
        {"ms": {"float32": {"1": float("inf"), "9": 1, "17": 1, "72": 1}}},
        {"ms": {"float32": {"1": "1e3 ", "9": [], "17": 1, "72": 1}}},
        {"more": 1},
    ],
)
def test_numbers_that_cannot_be_are_measured_anew(path, change):
    keep(SHAPE, HERE, FAST16)
    kept = json.loads(path.read_text())
    (name,) = kept["models"]
    kept["models"][name] |= change
    path.write_text(json.dumps(kept))
    assert recall(SHAPE, HERE) is None


def test_another_versions_file_is_measured_anew(path):
    keep(SHAPE, HERE, FAST16)
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    assert recall(SHAPE, HERE) is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(path):
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("a file where the folder should be")
    keep(SHAPE, HERE, FAST16)
    assert recall(SHAPE, HERE) is None


def test_only_so_many_models_are_remembered(path, monkeypatch):
    monkeypatch.setattr(precision, "_MOST_MODELS", 3)
    shapes = [Shape(layers, *list(SHAPE.__dict__.values())[1:]) for layers in range(1, 6)]
    for shape in shapes:
        keep(shape, HERE, FAST16)
    assert [recall(shape, HERE) is not None for shape in shapes] == [False, False, True, True, True]


# -- the choice ------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch) -> list:
    """The real measurement's calls; it is small and quick, and says that the machine is quiet."""
    from s3d_core import precision as measuring

    real, calls = measuring.measure, []

    def measure(sizes, precisions, progress=None):
        calls.append(list(precisions))
        return real(sizes, precisions, progress, most_bytes=1 << 16)[0], True

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(measuring, "_SECONDS", 0.0)
    return calls


def test_a_model_is_measured_once_and_again_when_told_to(home, tiny_model, counted):
    first = choose(tiny_model, "auto", "cpu")
    assert first.why == "fastest"
    assert counted[0][:2] == ["bfloat16", "float32"]
    assert choose(tiny_model, "auto", "cpu") == first
    assert len(counted) == 1
    choose(tiny_model, "auto", "cpu", again=True)
    assert len(counted) == 2
    record_path().write_text("{")
    choose(tiny_model, "auto", "cpu")
    assert len(counted) == 3


def test_a_precision_that_was_asked_for_is_taken_unmeasured(home, tiny_model, counted):
    assert choose(tiny_model, "float32", "cpu") == Choice("float32", "asked", None, choose(tiny_model, "auto").refused)
    assert len(counted) == 1
    # What is known is shown beside it.
    assert choose(tiny_model, "float32", "cpu").measured is not None


@pytest.mark.parametrize(
    ("capability", "library", "refused"),
    [
        ((8, 9), True, {}),
        ((8, 0), False, {"int8": "library"}),
        ((7, 5), True, {"int4": "capability"}),
        ((6, 1), False, {"int8": "library", "int4": "capability"}),
    ],
)
def test_what_a_gpu_cannot_hold_is_told_by_precision(tiny_model, monkeypatch, capability, library, refused):
    monkeypatch.setattr("s3d_core.load.pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda gpu: capability)
    monkeypatch.setattr(engine, "find_spec", lambda name: object() if library else None)
    assert choose(tiny_model, "auto", "cuda:0") == Choice("auto", "gpu", None, refused)
    assert choose(tiny_model, "int4", "cuda:0") == Choice("int4", "asked", None, refused)


def test_float32_is_left_where_it_does_not_fit(home, tiny_model, counted, monkeypatch):
    ms = {"float32": times(1, 1, 1, 1), "bfloat16": times(5, 5, 5, 5)}
    monkeypatch.setattr(engine, "_measured", lambda *rest: Measured(day=DAY, ms=ms))
    assert choose(tiny_model, "auto", "cpu").precision == "float32"
    full = MemoryReading("RAM", False, 4 * GIB, 0, 4 * GIB - 2**27, "x")
    monkeypatch.setattr(engine.hardware, "look", lambda ram=False: full)
    found = choose(tiny_model, "auto", "cpu")
    assert (found.precision, found.why) == ("bfloat16", "memory")


def test_a_measurement_that_fails_leaves_it_to_the_rule(home, tiny_model, monkeypatch):
    def fail(*rest):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(engine, "_measured", fail)
    found = choose(tiny_model, "auto", "cpu")
    assert (found.precision, found.why) == ("auto", "unknown")


def test_a_model_that_cannot_be_read_is_left_to_the_loader(home, tmp_path, counted):
    assert choose(tmp_path / "nothing", "auto", "cpu") == Choice("auto", "unknown")
    assert counted == []


def test_a_wish_that_cannot_be_met_gives_way_with_a_sentence():
    class Loaded:
        info = type("Info", (), {"dtype": "bfloat16"})

    def load(dtype):
        if dtype == "int8":
            raise ModelError("Weights of eight bits need another processor.")
        return Loaded()

    _, choice, sentence = opened(Choice("int8", "asked", FAST16), load)
    assert (choice.precision, choice.why, choice.measured) == ("auto", "unknown", FAST16)
    assert sentence == (
        "int8 cannot be used: Weights of eight bits need another processor. The model runs in bfloat16."
    )
    assert opened(Choice("float32", "asked"), load)[1:] == (Choice("float32", "asked"), None)


def test_a_model_that_cannot_be_loaded_at_all_says_why():
    def load(dtype):
        raise ModelError(f"damaged, in {dtype} too")

    with pytest.raises(ModelError, match="damaged, in auto too"):
        opened(Choice("int8", "asked"), load)
    with pytest.raises(ModelError, match="damaged, in bfloat16 too"):
        opened(Choice("bfloat16", "fastest"), load)


def test_other_models_are_estimated_in_what_is_wanted():
    assert Precision().for_fit("float16") == "float16"
    assert Precision(wanted="int8").for_fit("float16") == "int8"


def test_the_terminal_tells_and_measures_again(home, tiny_model, counted, s3d_here):
    told = s3d_here("models", "precision", str(tiny_model))
    assert told.returncode == 0
    assert "the fastest here that keeps the model's own numbers. Measured on " in told.stdout
    found = json.loads(s3d_here("models", "precision", str(tiny_model), "--json").stdout)
    assert found["dtype"] in ("float32", "bfloat16")
    assert set(found["measured"]["ms"]) >= {"float32", "bfloat16"}
    assert len(counted) == 1
    s3d_here("models", "precision", str(tiny_model), "--again")
    assert len(counted) == 2
