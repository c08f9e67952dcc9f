"""Model files: what can be read is read right, and whatever cannot is refused with one sentence."""

import json
import os
import re
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from core.files import read, refusal, save_gguf
from core.models import build
from safetensors.torch import load_file, save_file

from s3d_core import gguf as unpacking
from s3d_core import load as loading
from s3d_core.engine import Engine
from s3d_core.errors import ModelError
from s3d_core.families import ARCHITECTURES
from s3d_core.gguf import unpacked
from s3d_core.layer import _joined
from s3d_core.load import load, pick_device, pick_dtype, stock_model, stop_tokens
from s3d_core.target import Target

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_folder_is_read(folder, dtype):
    phases = []
    loaded = load(folder, dtype, CPU, lambda phase, share: phases.append(share))
    assert loaded.name == "tiny"
    assert loaded.target.dtype == dtype
    assert loaded.target.fingerprint() == Target(build("llama")).fingerprint()
    assert loaded.stop_ids == {2}
    assert loaded.tokenizer("w5 w6 w7 ")["input_ids"] == [5, 6, 7]
    assert phases == sorted(phases)
    assert phases[-1] < 1


def test_a_gguf_file_is_read_as_the_same_model(file):
    loaded = read(file)
    assert loaded.name == "tiny"
    assert loaded.target.fingerprint() == Target(build("llama")).fingerprint()
    assert 2 in loaded.stop_ids
    assert loaded.tokenizer.decode([5, 3, 7]) == "abat7"
    assert loaded.tokenizer.chat_template


def test_unpacking_tells_how_far_it_is_and_draws_nothing_itself(file, capsys):
    told = []
    load(file, torch.float32, CPU, lambda phase, share: told.append((phase, share)))
    steps = [share for phase, share in told if phase == "Unpacking the model, this once"]
    assert len(steps) > 10
    assert steps == sorted(steps)
    assert capsys.readouterr().err == ""


def test_unpacking_can_be_stopped_between_two_tensors(file):
    def stop(phase, share) -> None:
        if share > 0.2:
            raise InterruptedError("stopped by the user")

    with pytest.raises(InterruptedError, match="stopped by the user"):
        load(file, torch.float32, CPU, stop)
    assert read(file).target.depth == 6


def test_the_stock_model_has_the_same_weights(folder, file):
    for path in (folder, file):
        assert Target(stock_model(path, torch.float32, CPU)).fingerprint() == read(folder).target.fingerprint()


def test_an_exception_of_the_progress_function_ends_the_loading(folder):
    class EnoughError(Exception):
        pass

    def stop(phase, share):
        if share >= 0.5:
            raise EnoughError

    with pytest.raises(EnoughError):
        load(folder, torch.float32, CPU, stop)


def test_a_path_that_is_not_there(tmp_path):
    assert "There is no model at" in refusal(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="There is no model at"):
        Engine.load(tmp_path / "nowhere.gguf")


@pytest.mark.parametrize("name", ["model.safetensors", "model"])
def test_a_file_of_another_kind(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    assert "is not a model file; choose a .gguf file or a folder with safetensors" in refusal(tmp_path / name)


def test_a_folder_without_a_model(tmp_path):
    assert "its config.json is missing" in refusal(tmp_path)


@pytest.mark.parametrize("weights", [None, "pytorch_model.bin", "model.pt"])
def test_weights_that_could_run_code_are_refused_unread(folder, weights):
    (folder / "model.safetensors").unlink()
    if weights:
        # Not even a pickle: had it been opened, the message would be another.
        (folder / weights).write_bytes(b"\x80\x04.")
    assert "holds no safetensors weights; other formats can run code and are refused" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "is damaged; fetch the model again"),
        (b"\xff\xfe", "is damaged; fetch the model again"),
        (b"[]", "does not say what family it is of; these families can be run: Llama, Mistral"),
        (b"{}", "does not say what family it is of"),
        (b'{"architectures": []}', "does not say what family it is of"),
        (b'{"architectures": "LlamaForCausalLM"}', "does not say what family it is of"),
        (b'{"architectures": ["GPT2LMHeadModel"]}', "is a GPT2LMHeadModel model; these families can be run: Llama"),
        (b'{"architectures": ["LlamaForCausalLM"], "model_type": "no-such"}', "cannot be read"),
    ],
)
def test_a_config_that_cannot_be_used(folder, text, said):
    (folder / "config.json").write_bytes(text)
    assert said in refusal(folder)


def test_an_activation_that_cannot_be_run(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    assert "'gelu' activations cannot be run here" in refusal(folder)


@pytest.mark.parametrize("length", [0, 5, 100, 5000, -1])
def test_cut_weights(folder, length):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:length])
    assert "cannot be read as a model" in refusal(folder)


def test_a_missing_tensor_is_never_made_up(folder):
    """transformers would fill it with random numbers and go on."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.3.mlp.down_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "is incomplete: model.layers.3.mlp.down_proj.weight is missing" in refusal(folder)


def test_a_tensor_of_the_wrong_shape(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = torch.zeros(47)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert "cannot be read as a model" in refusal(folder)


def test_a_missing_shard(made, tmp_path):
    build("llama").save_pretrained(tmp_path, max_shard_size="200KB")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(made / "tiny" / name, tmp_path / name)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 1
    assert read(tmp_path).target.depth == 6
    shards[-1].unlink()
    assert "cannot be read as a model" in refusal(tmp_path)


def test_a_tokenizer_that_cannot_be_read(folder):
    whole = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(whole[:100])
    assert "The tokenizer of tiny cannot be read" in refusal(folder)
    (folder / "tokenizer.json").unlink()
    assert "The tokenizer of tiny cannot be read" in refusal(folder)


@pytest.mark.parametrize("name", ["gpu", "", "cpu cpu", "meta", "mps"])
def test_an_unknown_device(name):
    with pytest.raises(ModelError, match="choose auto, cpu or cuda"):
        pick_device(name)


def test_known_devices(monkeypatch):
    assert pick_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    with pytest.raises(ModelError, match="No NVIDIA GPU can be used"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda:0")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ModelError, match="There is no GPU 2 here; the last one is cuda:1"):
        pick_device("cuda:2")


def test_precisions():
    assert pick_dtype("bf16", CPU) == pick_dtype("bfloat16", CPU) == torch.bfloat16
    assert pick_dtype("float32", CPU) == torch.float32
    assert pick_dtype("auto", CPU) in (torch.float32, torch.bfloat16)
    for bad in ("int8", "", "float", "torch.float32"):
        with pytest.raises(ModelError, match="There is no precision called"):
            pick_dtype(bad, CPU)


def test_every_known_end_of_turn_ends_a_reply(folder):
    tokenizer = read(folder).tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    source = type("Config", (), {"eos_token_id": [2, 7]})
    end = tokenizer.get_vocab()["<|im_end|>"]
    assert stop_tokens(tokenizer, source) == {2, 7, end}
    source.eos_token_id = None
    assert stop_tokens(tokenizer, source) == {end}


def test_an_unknown_end_of_turn_is_not_the_token_of_unknown_words(folder, monkeypatch):
    """Neither is the whole vocabulary asked for, which keeps a window waiting for as long as three frames take."""
    tokenizer = read(folder).tokenizer
    tokenizer.add_special_tokens({"unk_token": "<unk>", "additional_special_tokens": ["<|end|>"]})
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") == tokenizer.unk_token_id
    monkeypatch.setattr(type(tokenizer), "get_vocab", lambda self: pytest.fail("the whole vocabulary"))
    assert stop_tokens(tokenizer, type("Config", (), {"eos_token_id": None})) == {end}


# GGUF files.


def test_unpacking_happens_once_and_again_when_the_file_changes(file, monkeypatch):
    made = []
    original = unpacking._unpack
    monkeypatch.setattr(unpacking, "_unpack", lambda *given: made.append(given) or original(*given))
    place = unpacked(file, torch.float32, lambda phase, share: None)
    assert place == file.parent / "tiny.float32"
    assert unpacked(file, torch.float32, lambda phase, share: None) == place
    assert len(made) == 1
    # Another precision is another folder.
    assert unpacked(file, torch.bfloat16, lambda phase, share: None) == file.parent / "tiny.bfloat16"
    assert len(made) == 2
    save_gguf(file, seed=3)
    assert unpacked(file, torch.float32, lambda phase, share: None) == place
    assert len(made) == 3
    assert read(file).target.fingerprint() == Target(build("llama", seed=3)).fingerprint()
    times = file.stat()
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    unpacked(file, torch.float32, lambda phase, share: None)
    assert len(made) == 4


def test_an_interrupted_unpacking_is_made_anew(file, monkeypatch):
    original = unpacking._unpack

    def interrupted(path, dtype, folder):
        original(path, dtype, folder)
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            read(file)
    assert (file.parent / ".tiny.float32.part").exists()
    assert not (file.parent / "tiny.float32").exists()
    assert read(file).target.depth == 6
    assert sorted(p.name for p in file.parent.iterdir()) == ["tiny.float32", "tiny.gguf"]


def test_a_user_without_a_name_can_unpack(file, monkeypatch):
    """As in a container that runs under a bare number."""

    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert read(file).target.depth == 6


def test_a_folder_without_its_stamp_is_made_anew(file):
    read(file)
    stamp = file.parent / "tiny.float32" / "unpacked-from.json"
    (file.parent / "tiny.float32" / "model.safetensors").write_bytes(b"half")
    for damage in ("{", "[]", "{}"):
        stamp.write_text(damage)
        assert read(file).target.depth == 6


def test_a_full_disk_is_told_before_anything_is_written(file, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
    assert "Unpacking tiny.gguf needs 0.1 GB in" in refusal(file)
    assert [p.name for p in file.parent.iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize("kind", [OSError(28, "No space left on device"), unpacking.SafetensorError("No space left")])
def test_a_disk_that_fills_up_leaves_nothing_behind(file, monkeypatch, kind):
    original = unpacking._unpack

    def full(path, dtype, folder):
        original(path, dtype, folder)
        raise kind

    monkeypatch.setattr(unpacking, "_unpack", full)
    said = refusal(file)
    assert "cannot be unpacked in" in said
    assert "No space left" in said
    assert [p.name for p in file.parent.iterdir()] == ["tiny.gguf"]


def test_the_loader_names_only_families_it_can_run(folder):
    config = json.loads((folder / "config.json").read_text())
    for name in ARCHITECTURES:
        (folder / "config.json").write_text(json.dumps(config | {"architectures": [name]}))
        loading.check_folder(folder)


def test_two_programs_may_unpack_a_file_at_once(file, monkeypatch):
    """Each would have written into the other's half-made folder."""
    from concurrent.futures import ThreadPoolExecutor

    made = []
    original = unpacking._unpack
    monkeypatch.setattr(unpacking, "_unpack", lambda *given: made.append(given) or original(*given))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: unpacked(file, torch.float32, lambda phase, share: None), range(4)))
    assert set(found) == {file.parent / "tiny.float32"}
    assert len(made) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes back the pages of a file when told")
def test_weights_that_were_joined_leave_the_pages_of_their_file(tmp_path):
    """Else a model whose layers are not packed is held once as it is in the file and once more joined."""
    file = tmp_path / "weights.safetensors"
    save_file({name: torch.rand(1024, 1024) for name in "qkv"}, file)
    weights = load_file(file)
    expected = torch.cat(list(weights.values()))
    assert resident(file) > 8_000_000
    assert torch.equal(_joined(list(weights.values())), expected)
    assert resident(file) < 2_000_000
    assert torch.equal(torch.cat(list(weights.values())), expected)  # they are read anew where they are asked for


def resident(file) -> int:
    """Bytes of a mapped file that are in this process's memory."""
    found, is_file = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_file = line.endswith(str(file))
        elif is_file and line.startswith("Rss:"):
            found += 1024 * int(line.split()[1])
    return found
