"""GGUF files that are cut, corrupt or of another kind: refused with one sentence, and nothing is left behind."""

import os

import pytest
from core.files import refusal


@pytest.mark.parametrize("length", [0, 3, 4, 23, 500, 3000, 100_000, -1])
def test_a_cut_gguf_file(file, length):
    content = file.read_bytes()
    file.write_bytes(content[:length])
    assert refusal(file) == "tiny.gguf is damaged or incomplete; fetch it again."
    assert [p.name for p in file.parent.iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize("share", [0.0001, 0.999])
def test_a_cut_download_of_the_default_model(default_model, tmp_path, share):
    """The header is whole; only the weights it promises are not all there."""
    path = tmp_path / "cut.gguf"
    with default_model.open("rb") as source:
        path.write_bytes(source.read(3_000_000))
    # Zeros that take no room on the disk stand for what came after the header.
    os.truncate(path, max(int(default_model.stat().st_size * share), 100))
    assert refusal(path) == "cut.gguf is damaged or incomplete; fetch it again."


@pytest.mark.parametrize(
    ("at", "content"),
    [
        (0, b"PK\x03\x04"),  # another kind of file
        (4, (99).to_bytes(4, "little")),  # a version that does not exist
        (8, (2**40).to_bytes(8, "little")),  # more tensors than there is room for
        (16, (2**40).to_bytes(8, "little")),  # more fields than there is room for
        (24, (2**60).to_bytes(8, "little")),  # a name longer than the file
        (24, b"\xff" * 400),
    ],
)
def test_a_corrupt_gguf_header(file, at, content):
    whole = bytearray(file.read_bytes())
    whole[at : at + len(content)] = content
    file.write_bytes(whole)
    said = refusal(file)
    assert "tiny.gguf" in said
    assert [p.name for p in file.parent.iterdir()] == ["tiny.gguf"]


def test_a_gguf_file_of_another_family(file):
    whole = file.read_bytes()
    assert whole.count(b"general.architecture") == 1
    at = whole.index(b"general.architecture")
    at = whole.index(b"llama", at)
    file.write_bytes(whole[:at] + b"gpt99" + whole[at + 5 :])
    assert "tiny.gguf cannot be read as a model" in refusal(file)
    assert [p.name for p in file.parent.iterdir()] == ["tiny.gguf"]


def test_a_gguf_file_without_weights(file):
    import gguf

    writer = gguf.GGUFWriter(str(file), "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert refusal(file) == "tiny.gguf is damaged or incomplete; fetch it again."
