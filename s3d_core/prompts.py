"""Prompt files: JSON lines with `turns`, and perhaps a `category`."""

import json
from dataclasses import dataclass
from pathlib import Path

from s3d_core.errors import PromptError


@dataclass(frozen=True)
class Prompt:
    """One row: the user's turns, at least one, and what kind of task it is ("all" where it is not said)."""

    turns: tuple[str, ...]
    category: str


def read_prompts(path: Path) -> list[Prompt]:
    """The rows of a prompt file.

    Raises:
        PromptError: the file cannot be read, a line is not of that form, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"The prompt file {path} cannot be read: {error}.") from error
    prompts = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            turns = tuple(str(turn) for turn in row["turns"])
            if isinstance(row["turns"], str) or not turns:
                raise ValueError("not a list with a turn")
            prompts.append(Prompt(turns, str(row.get("category", "all"))))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise PromptError(
                f'{path}, line {number}: expected a JSON object with "turns", a list of texts.'
            ) from error
    if not prompts:
        raise PromptError(f"The prompt file {path} holds no prompt.")
    return prompts
