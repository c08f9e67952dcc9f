"""What one turn of attention is about: a row and a key head with the query heads that share it."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Turn:
    """Places in a function being written.

    Attributes:
        keys, values: of the key head.
        queries, lines: of each query head: its query, and a line for the score of every slot.
        slots: how many there are; rounded: to whole vectors.
    """

    keys: Any
    values: Any
    queries: list
    lines: list
    slots: Any
    rounded: Any
