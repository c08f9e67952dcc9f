"""What one turn of attention is about: a row and a key head with the query heads that share it."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Turn:
    """Places in a function being written.

    Attributes:
        row: its number.
        keys, values: of the key head.
        queries, lines, goals: of each query head: its query, a line for the score of every slot, and where its result
            is put.
        slots: how many there are; rounded: to whole vectors.
    """

    row: Any
    keys: Any
    values: Any
    queries: list
    lines: list
    goals: list
    slots: Any
    rounded: Any
