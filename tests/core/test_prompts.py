"""Prompt files, and what is said of those that cannot be used."""

import pytest

from s3d_core.errors import PromptError
from s3d_core.prompts import Prompt, read_prompts


def test_rows_are_read(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"turns": ["one", "later"]}\n\n  \n{"category": "x", "turns": ["zwei ü"]}\n', encoding="utf-8")
    assert read_prompts(path) == [Prompt(("one", "later"), "all"), Prompt(("zwei ü",), "x")]


@pytest.mark.parametrize(
    "line", ["{", "[]", "5", "{}", '{"turns": []}', '{"turns": 3}', '{"turns": "abc"}', '{"turn": ["a"]}', "null"]
)
def test_a_broken_line_is_named(tmp_path, line):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"turns": ["one"]}\n' + line + "\n")
    with pytest.raises(PromptError, match=r'prompts.jsonl, line 2: expected a JSON object with "turns"'):
        read_prompts(path)


def test_prompt_files_that_cannot_be_used(tmp_path):
    with pytest.raises(PromptError, match="cannot be read"):
        read_prompts(tmp_path / "missing.jsonl")
    with pytest.raises(PromptError, match="cannot be read"):
        read_prompts(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(PromptError, match="cannot be read"):
        read_prompts(tmp_path / "binary")
    (tmp_path / "empty").write_text("\n\n")
    with pytest.raises(PromptError, match="holds no prompt"):
        read_prompts(tmp_path / "empty")
