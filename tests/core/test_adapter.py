"""Adapters as files: read back as they were, and refused with a sentence where they do not fit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from core.models import CONFIGS, build, narrow_adapter, random_adapter
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from s3d_core import adapter as adapters
from s3d_core.adapter import CARD, WEIGHTS, Adapter, read_card
from s3d_core.decode import prefill
from s3d_core.draft import State
from s3d_core.engine import find_adapter
from s3d_core.errors import AdapterError
from s3d_core.kernels import jit
from s3d_core.kernels.skinny import Packed
from s3d_core.recall import Recall
from s3d_core.s3d import S3D
from s3d_core.settings import DraftSettings
from s3d_core.target import Target

needs_kernels = pytest.mark.skipif(not jit.available(), reason="packed products need AVX2 on Linux")


@pytest.fixture(scope="module")
def target():
    return Target(build("llama"))


def made_for(target, seed=0, **card):
    adapter = random_adapter(target, seed=seed)
    adapter.card = {"base_model": "tiny", "fingerprint": target.fingerprint()} | card
    return adapter


@pytest.fixture
def saved(target, tmp_path):
    """A folder with a whole adapter."""
    made_for(target).save(tmp_path, torch.float32)
    return tmp_path


def rewrite(folder: Path, change) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["llama", "qwen3", "phi3 window 24"])
def test_what_is_saved_is_read_back(name, dtype, tmp_path):
    target = Target(build(name))
    adapter = made_for(target, defaults={"skipped": 2})
    adapter.save(tmp_path / "new" / "folder", dtype)
    loaded = Adapter.load(tmp_path / "new" / "folder", target)
    assert loaded.slots == adapter.slots == 4
    before, after = adapter.tensors(), loaded.tensors()
    assert set(before) == set(after)
    for key, tensor in before.items():
        assert after[key].dtype == torch.float32
        assert torch.equal(after[key], tensor.to(dtype).float()), key
    assert loaded.bytes == sum(t.numel() * 4 for t in before.values())
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == sorted([CARD, WEIGHTS])


def test_the_card_says_what_it_was_made_for(target, tmp_path):
    made_for(target, defaults={"skipped": 3, "tree_size": 8}).save(tmp_path)
    card = read_card(tmp_path)
    assert card == {
        "format": "s3d-adapter",
        "version": 3,
        "base_model": "tiny",
        "fingerprint": target.fingerprint(),
        "defaults": {"skipped": 3, "tree_size": 8},
        "slots": 4,
    }
    assert Adapter.load(tmp_path, target).card == card
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        assert json.loads(file.metadata()["card"]) == card
        types = {key: file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
        assert types.pop("vocabulary") == torch.int32
        assert types.pop("calibration") == torch.float32
        assert set(types.values()) == {torch.bfloat16}


def test_a_folder_without_an_adapter(target, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AdapterError, match="There is no draft adapter in"):
            Adapter.load(folder, target)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is damaged; fetch or train it again"),
        (b'{"format": "s3d-ad', "is damaged; fetch or train it again"),
        (b"\xff\xfe\x00", "is damaged; fetch or train it again"),
        (b"[1, 2]", "is not the card of a draft adapter"),
        (b'{"format": "peft", "version": 3}', "is not the card of a draft adapter"),
        (b'{"format": "s3d-adapter", "version": 2}', "has format 2; this program reads 3"),
        (b'{"format": "s3d-adapter"}', "has format None; this program reads 3"),
        (b'{"format": "s3d-adapter", "version": 3}', "was trained for another model"),
    ],
)
def test_a_bad_card_is_refused(saved, target, text, said):
    (saved / CARD).write_bytes(text)
    with pytest.raises(AdapterError, match=said):
        Adapter.load(saved, target)


@pytest.mark.parametrize(
    "card",
    [
        {"accepted_by_skipped": {"99": 1.5}},
        {"accepted_by_skipped": {"two": 1.5}},
        {"accepted_by_skipped": {"2": float("inf")}},
        {"accepted_by_skipped": {"2": None}},
        {"accepted_by_skipped": [2]},
        {"defaults": {"skipped": 99}},
    ],
    ids=str,
)
def test_a_card_that_skips_what_the_model_has_not_is_refused(target, tmp_path, card):
    """Auto would choose from it, and the model could not be loaded for a setting that nobody made."""
    made_for(target, **card).save(tmp_path)
    with pytest.raises(AdapterError, match="does not fit the model"):
        Adapter.load(tmp_path, target)


def test_missing_weights_are_refused(saved, target):
    (saved / WEIGHTS).unlink()
    with pytest.raises(AdapterError, match="is damaged"):
        Adapter.load(saved, target)


@pytest.mark.parametrize("length", [0, 4, 8, 60, 2000, -1])
def test_cut_weights_are_refused(saved, target, length):
    content = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(content[:length])
    with pytest.raises(AdapterError, match="is damaged"):
        Adapter.load(saved, target)


def test_weights_that_are_something_else_are_refused(saved, target):
    (saved / WEIGHTS).write_bytes(b"\x80\x04\x95 not safetensors at all" * 50)
    with pytest.raises(AdapterError, match="is damaged"):
        Adapter.load(saved, target)


@pytest.mark.parametrize("key", ["masks", "norm", "coherence.gate", "coherence.child", "layers.2.o.b"])
def test_a_missing_part_is_refused(saved, target, key):
    rewrite(saved, lambda tensors: tensors.pop(key))
    with pytest.raises(AdapterError, match="is damaged"):
        Adapter.load(saved, target)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("masks", (3, 47)),
        ("masks", (48,)),
        ("norm", (1, 48)),
        ("norm", (47,)),
        ("coherence.parent", (48, 7)),
        ("coherence.parent", (47, 8)),
        ("layers.0.qkv.a", (4, 47)),
        ("layers.0.qkv.a", (5, 48)),
        ("layers.0.qkv.a", ()),
        ("layers.5.down.b", (47, 4)),
        ("layers.5.down.b", (48,)),
    ],
)
def test_wrong_shapes_are_refused(saved, target, key, shape):
    rewrite(saved, lambda tensors: tensors.update({key: torch.zeros(shape)}))
    with pytest.raises(AdapterError, match="does not have the model's shapes"):
        Adapter.load(saved, target)


def test_a_flat_coherence_term_is_refused(saved, target):
    flat = torch.zeros(48)
    rewrite(
        saved,
        lambda tensors: tensors.update({f"coherence.{name}": flat.clone() for name in ("parent", "gate", "child")}),
    )
    with pytest.raises(AdapterError, match="does not have the model's shapes"):
        Adapter.load(saved, target)


def test_updates_of_a_layer_the_model_does_not_have_are_refused(saved, target):
    def move(tensors):
        for key in [k for k in tensors if k.startswith("layers.5.")]:
            tensors[key.replace("layers.5.", "layers.6.")] = tensors.pop(key)

    rewrite(saved, move)
    with pytest.raises(AdapterError, match="does not have the model's shapes"):
        Adapter.load(saved, target)


def test_an_adapter_for_other_weights_is_refused_by_its_name(saved):
    with pytest.raises(AdapterError, match=r"was trained for tiny, not for the weights that are loaded; train one"):
        Adapter.load(saved, Target(build("llama", seed=1)))


def test_the_one_that_fits_is_found_and_damage_is_told(target, tmp_path):
    other = Target(build("llama", seed=1))
    made_for(other).save(tmp_path / "a other")
    made_for(target).save(tmp_path / "c fits")
    assert find_adapter(target, [tmp_path / "nowhere", tmp_path])[0].card["fingerprint"] == target.fingerprint()
    (tmp_path / "b damaged").mkdir()
    (tmp_path / "b damaged" / CARD).write_text("{")
    found, notice = find_adapter(target, [tmp_path])
    assert found is not None
    assert "b damaged" in notice
    (tmp_path / "c fits" / WEIGHTS).write_bytes(b"cut")
    found, notice = find_adapter(target, [tmp_path])
    assert found is None
    assert "c fits" in notice


@pytest.mark.parametrize("moment", ["weights", "card"])
def test_an_interrupted_save_leaves_the_old_adapter(saved, target, monkeypatch, moment):
    old = Adapter.load(saved, target).tensors()

    def cut_weights(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    def cut_card(path, text, **options):
        path.write_bytes(text[:10].encode())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "weights":
            patch.setattr(adapters, "save_file", cut_weights)
        else:
            patch.setattr(Path, "write_text", cut_card)
        with pytest.raises(KeyboardInterrupt):
            made_for(target, seed=9, defaults={"skipped": 1}).save(saved)
    loaded = Adapter.load(saved, target)
    assert "defaults" not in loaded.card
    assert all(torch.equal(t, old[key]) for key, t in loaded.tensors().items())
    # The next save clears what lay about.
    made_for(target, seed=9, defaults={"skipped": 1}).save(saved, torch.float32)
    loaded = Adapter.load(saved, target)
    assert loaded.card["defaults"] == {"skipped": 1}
    assert torch.equal(loaded.masks, random_adapter(target, seed=9).masks)
    assert sorted(p.name for p in saved.iterdir()) == sorted([CARD, WEIGHTS])


@pytest.mark.parametrize("name", CONFIGS)
def test_the_fingerprint_knows_the_weights_not_the_precision(name):
    fingerprint = Target(build(name)).fingerprint()
    assert Target(build(name).bfloat16()).fingerprint() == fingerprint
    assert Target(build(name, seed=1)).fingerprint() != fingerprint


def test_one_other_layer_gives_another_fingerprint(target):
    model = build("llama")
    with torch.no_grad():
        model.model.layers[3].mlp.down_proj.weight.mul_(-1)
    assert Target(model).fingerprint() != target.fingerprint()


@needs_kernels
@pytest.mark.parametrize("name", ["llama", "llama tied", "qwen3"])
def test_a_packed_target_drafts_the_same(name):
    ids = [7, 9, 11, 13, 5, 40, 2, 3]
    drafted = []
    for packed in (False, True):
        target = Target(build(name))
        adapter = narrow_adapter(target)
        if packed:
            assert target.pack()
        fitted = adapter.fit(target)
        assert isinstance(fitted.updates[0]["o"][1], Packed) == packed
        logits = []
        original = target.logits
        cache = target.new_cache()
        prefill(target, cache, ids)
        target.logits = lambda *given, f=original, kept=logits: kept.append(f(*given)) or kept[-1]
        with torch.inference_mode():
            tree = S3D(target, fitted, Recall()).propose(State(ids, cache, DraftSettings("s3d", 2, 4, 12), 4))
        drafted.append((logits[0], tree))
    (plain_logits, plain_tree), (packed_logits, packed_tree) = drafted
    torch.testing.assert_close(packed_logits, plain_logits, atol=1e-4, rtol=1e-4)
    assert packed_tree == plain_tree


@needs_kernels
def test_a_fitted_adapter_saves_what_it_was(target, tmp_path):
    packed = Target(build("llama"))
    adapter = replace(narrow_adapter(packed), card=made_for(packed).card)
    packed.pack()
    fitted = adapter.fit(packed)
    fitted.save(tmp_path, torch.float32)
    again, held = Adapter.load(tmp_path, target), adapter.tensors()
    for i, update in again.updates.items():
        for name, (a, b) in update.items():
            # The rank is filled up to whole blocks, which changes no product.
            was = held[f"layers.{i}.{name}.b"] @ held[f"layers.{i}.{name}.a"]
            assert torch.allclose(b @ a, was, atol=1e-6)
    for key in ("masks", "norm", "coherence.parent", "coherence.gate", "coherence.child"):
        assert torch.equal(again.tensors()[key], held[key])


@needs_kernels
def test_a_packed_target_lets_go_of_the_adapters_file(saved):
    """Two narrow matrices that were no copies kept all of it in memory, beside what had been packed of it."""
    packed = Target(build("llama"))
    packed.pack()
    adapter = Adapter.load(saved, packed)
    assert adapter.parent.dtype == torch.bfloat16
    assert str(saved / WEIGHTS) not in Path("/proc/self/maps").read_text()


def test_the_vocabulary_is_kept_in_the_file(target, tmp_path):
    adapter = made_for(target)
    adapter.vocabulary = torch.tensor([3, 1, 65])
    adapter.save(tmp_path)
    assert Adapter.load(tmp_path, target).vocabulary.tolist() == [3, 1, 65]


def test_a_vocabulary_beyond_the_models_is_refused(target, tmp_path):
    adapter = made_for(target)
    adapter.vocabulary = torch.tensor([3, target.head.shape[0]])
    adapter.save(tmp_path)
    with pytest.raises(AdapterError, match="does not have the model's shapes"):
        Adapter.load(tmp_path, target)
