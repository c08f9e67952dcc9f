"""A tokenizer that is read in steps is the one that the library reads at once."""

import json

import pytest
from core.files import save_folder
from core.models import word_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, Unigram
from tokenizers.processors import TemplateProcessing

from s3d_core import json_steps, tokenizer_file
from s3d_core.gguf import unpacked

LETTERS = {letter: i for i, letter in enumerate("abcd_")}
PAIRS = [("a", "b"), ("ab", "c"), ("c", "d")]
VOCABULARY = LETTERS | {"ab": 5, "abc": 6, "cd": 7, "<unk>": 8}


def bpe(**options) -> Tokenizer:
    tokenizer = Tokenizer(BPE(VOCABULARY, PAIRS, **options))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(["<s>", AddedToken("<|end|>", lstrip=True, rstrip=True)])
    tokenizer.add_tokens([AddedToken("dada", single_word=True, normalized=False), "bad"])
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    tokenizer.enable_truncation(12)
    return tokenizer


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"unk_token": "<unk>", "fuse_unk": True},
        {"dropout": 0.1},
        {"byte_fallback": True, "ignore_merges": True},
        {"continuing_subword_prefix": "", "end_of_word_suffix": ""},
    ],
)
def test_every_option_and_added_token_is_kept(tmp_path, options):
    file = str(tmp_path / "tokenizer.json")
    bpe(**options).save(file)
    assert tokenizer_file._built(json.loads((tmp_path / "tokenizer.json").read_text())) is not None
    read, expected = tokenizer_file.read(file), Tokenizer.from_file(file)
    assert read.to_str() == expected.to_str()
    if "dropout" not in options:
        for text in ("abcd cab dada", "<s> abc<|end|> x", "BAD </s>", ""):
            assert read.encode(text).ids == expected.encode(text).ids
            assert read.decode(read.encode(text).ids) == expected.decode(expected.encode(text).ids)


def test_the_default_models_tokenizer_is_the_same(default_model):
    import torch

    file = unpacked(default_model, torch.bfloat16, lambda phase, share: None) / "tokenizer.json"
    assert tokenizer_file._built(json.loads(file.read_text(encoding="utf-8"))) is not None
    assert tokenizer_file.read(str(file)).to_str() == Tokenizer.from_file(str(file)).to_str()


@pytest.mark.parametrize("tokenizer", [word_tokenizer()._tokenizer, Tokenizer(Unigram([("<unk>", 0.0)], 0))])
def test_other_kinds_are_read_at_once(tmp_path, tokenizer):
    file = str(tmp_path / "tokenizer.json")
    tokenizer.save(file)
    assert tokenizer_file.read(file).to_str() == Tokenizer.from_file(file).to_str()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}'])
def test_what_is_damaged_is_refused_as_the_library_does(tmp_path, text):
    file = tmp_path / "tokenizer.json"
    file.write_text(text)
    with pytest.raises(Exception) as expected:  # noqa: PT011  (the library raises a bare Exception)
        Tokenizer.from_file(str(file))
    with pytest.raises(Exception) as raised:  # noqa: PT011
        tokenizer_file.read(str(file))
    assert str(raised.value) == str(expected.value)


def test_transformers_reads_in_steps_for_that_time_alone(tmp_path, monkeypatch):
    from transformers import AutoTokenizer, tokenization_utils_tokenizers

    folder, asked = save_folder(tmp_path / "tiny"), []
    read = tokenizer_file.read
    monkeypatch.setattr(tokenizer_file._Steps, "from_file", staticmethod(lambda file: asked.append(file) or read(file)))
    with tokenizer_file.in_steps():
        AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert len(asked) == 1
    assert tokenization_utils_tokenizers.TokenizerFast is Tokenizer


def test_transformers_reads_each_file_once_and_gets_the_same_tokenizer(default_model, monkeypatch):
    import torch
    from transformers import AutoTokenizer

    folder = unpacked(default_model, torch.bfloat16, lambda phase, share: None)
    expected = AutoTokenizer.from_pretrained(folder)
    read, loads = [], json_steps.loads
    monkeypatch.setattr(json_steps, "loads", lambda text: read.append(len(text)) or loads(text))
    with tokenizer_file.in_steps():
        got = AutoTokenizer.from_pretrained(folder)
    assert read.count((folder / "tokenizer.json").stat().st_size) <= 1
    assert max(read) > 1_000_000
    assert got.backend_tokenizer.to_str() == expected.backend_tokenizer.to_str()
    assert got.added_tokens_decoder == expected.added_tokens_decoder
