"""Promises of SECURITY.md about files that others made: they are data, inside their folder, and never run."""

import json
import pickle
import shutil
import socket
import stat
import sys
import time
from pathlib import Path

import pytest
import torch
from core.files import save_folder, save_gguf
from core.models import word_tokenizer

from s3d_core.errors import ModelError, PromptError
from s3d_core.kernels import jit, kept
from s3d_core.load import check_folder, load
from s3d_core.template import render
from s3d_core.trust import PICKLES, is_inside

CPU = torch.device("cpu")


class Bomb:
    """A pickle of it writes a file when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def read(path):
    return load(path, torch.float32, CPU, lambda phase, share: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return save_folder(tmp_path_factory.mktemp("made") / "tiny")


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "tiny")


@pytest.fixture
def bomb(tmp_path) -> Path:
    """A path that exists once a bomb went off; checked to stay away."""
    path = tmp_path / "went-off"
    yield path
    assert not path.exists()


def test_a_bomb_does_go_off_where_pickles_are_read(tmp_path):
    """Else the tests below would prove nothing."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "went-off")))  # noqa: S301
    assert (tmp_path / "went-off").exists()


@pytest.mark.parametrize("suffix", PICKLES)
def test_pickled_weights_are_refused_by_name_and_never_read(tmp_path, bomb, suffix):
    file = tmp_path / f"model{suffix}"
    file.write_bytes(pickle.dumps(Bomb(bomb)))
    with pytest.raises(ModelError, match="can run code when it is read, so it is refused"):
        read(file)


def test_a_pickle_beside_or_in_the_place_of_weights_is_never_read(folder, bomb):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(bomb)))
    assert read(folder).target.depth == 6
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"can run code and are refused \(found: pytorch_model\.bin\)"):
        read(folder)


def test_a_pickle_by_the_name_of_safetensors_is_never_read(folder, bomb):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb(bomb)))
    with pytest.raises(ModelError, match="cannot be read as a model"):
        read(folder)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "../outside.safetensors",
        "/etc/outside.safetensors",
        "sub/model.safetensors",
        "..\\outside.safetensors",
        "C:outside.safetensors",
        "model.safetensors.bin",
        "",
        ".",
        3,
    ],
)
def test_an_index_that_names_files_elsewhere_or_of_another_format_is_refused(folder, bomb, name):
    (folder.parent / "outside.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(bomb)))
    index = {"metadata": {}, "weight_map": {"lm_head.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"no safetensors file of its folder|is damaged"):
        read(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "a/b.json", "ü-1.safetensors"])
def test_names_inside(name):
    assert is_inside(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/../b", "/a", "\\a", "c:a", "a\0b", "a\\..\\b"])
def test_names_outside(name):
    assert not is_inside(name)


def test_code_that_a_model_brings_along_never_runs(folder, bomb):
    code = f"from pathlib import Path\nPath({str(bomb)!r}).touch()\nclass Evil: pass\n"
    (folder / "evil.py").write_text(code)
    config = json.loads((folder / "config.json").read_text())
    auto_map = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": auto_map}))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"auto_map": auto_map}))
    assert read(folder).target.depth == 6
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": auto_map, "model_type": "evil"}))
    with pytest.raises(ModelError, match="cannot be read"):
        read(folder)


def test_a_config_cannot_choose_code_of_a_hub_for_attention(folder):
    config = json.loads((folder / "config.json").read_text())
    for name in ("attn_implementation", "_attn_implementation"):
        (folder / "config.json").write_text(json.dumps(config | {name: "evil/kernels:attend"}))
        assert read(folder).target.config._attn_implementation == "sdpa"


def test_quantized_weights_are_refused_before_their_libraries_are_looked_for(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(ModelError, match="holds quantized weights"):
        read(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_hidden_layers", 10**9), ("hidden_size", 0), ("vocab_size", -1), ("head_dim", "8"), ("hidden_size", True)],
)
def test_sizes_that_cannot_be_are_refused_before_anything_is_built(folder, field, value):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(ModelError, match=f"its {field} cannot be"):
        read(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"architectures": [["LlamaForCausalLM"]]}', '{"architectures": [3]}'])
def test_a_config_that_is_nested_without_end_or_strange_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError):
        check_folder(folder)


@pytest.mark.parametrize("wrong", [{"a": 1}, [[3], None, {}], "2", 2.5, True])
def test_stop_tokens_that_are_no_tokens_are_passed_over(folder, wrong):
    """A dictionary in their place ended the loading with an error of Python's own."""
    generation = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(generation | {"eos_token_id": wrong}))
    assert read(folder).stop_ids == {2}


def test_loading_a_model_asks_no_other_computer(folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **options: asked.append(given) or [])
    read(folder)
    read(save_gguf(tmp_path / "tiny.gguf"))
    assert asked == []


def templated(source):
    """A tokenizer with a chat template of the test's own, rendered by transformers."""
    tokenizer = word_tokenizer()
    tokenizer.chat_template = source
    return tokenizer


def attempt(source) -> str:
    """What a template renders to, or why it is refused."""
    try:
        return render(templated(source), HELLO)
    except PromptError as error:
        return str(error)


HELLO = [{"role": "user", "content": "w7 "}]


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for m in messages %}{{ m['content'].__class__.__name__ }}{% endfor %}{{ (1).__class__ }}",
        "{{ messages.append(1) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ 'a' * 10000000000000000 }}",
        "{% for i in range(1000000000) %}{% endfor %}",
    ],
)
def test_a_template_that_reaches_for_more_than_its_messages_is_refused(source):
    said = attempt(source)
    # What the sandbox forbids is undefined, and alone prints as nothing.
    assert said == "" or "refuses these messages" in said


def test_a_template_without_end_is_ended():
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}"
    endless += "{% endfor %}{% endfor %}"
    began = time.monotonic()
    with pytest.raises(PromptError, match="does not come to an end"):
        render(templated(endless), HELLO, seconds=0.5)
    assert time.monotonic() - began < 60


def test_a_template_that_computes_powers_is_refused():
    with pytest.raises(PromptError, match="computes powers"):
        render(templated("{{ 9 ** 9 ** 9 ** 9 }}"), HELLO)


def test_a_usual_template_is_rendered():
    assert render(templated("{% for m in messages %}w5 {{ m.content }}{% endfor %}"), HELLO) == "w5 w7 "


@pytest.mark.skipif(not jit.available(), reason="this machine compiles nothing")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_compiled_code_that_others_could_have_written_is_not_run(tmp_path):
    code = b"object code"
    file = tmp_path / "compiled" / "name"
    kept.write(file, code)
    assert kept.read(file) == code
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o602)
    assert kept.read(file) is None
    file.chmod(0o600)
    file.parent.chmod(0o707)
    assert kept.read(file) is None
