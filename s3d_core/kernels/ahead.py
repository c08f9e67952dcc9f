"""Asking memory for the next weights while those at hand are multiplied.

With AVX2 products of more than two rows multiply one block at a time, and several times over where there are many rows.
Read as it is needed, it is one stream, and one stream gets four fifths of what memory gives to three; and while a block
is multiplied again, memory is idle. So a panel's blocks are all asked for while the panel before is multiplied, side by
side, and each time that one of its blocks is gone through asks for as much as the others. Behind a thread's last panel
the first ones of the linear that follows are asked for: memory then works through what lies between two products. A
panel and the next one fit into the second level of the cache.

Where three blocks are multiplied at once nothing is asked for: the processor sees three streams by itself, and asking
as well made a float32 token take 30.4 ms instead of 24.9 (Zen 3, medians, in turns).
"""

from typing import Any, NamedTuple

from s3d_core.kernels.jit import LANES, Code
from s3d_core.kernels.layout import Layout

_LINE = 64


class Turns(NamedTuple):
    """How a panel's blocks are gone through.

    Attributes:
        part, parts: which of the times this is, and of how many.
        inputs: what is multiplied in a turn of the loop.
    """

    part: Any
    parts: Any
    inputs: int


class NextPanel:
    """Writes code that asks for the panel behind the one at hand.

    Args:
        held: the layout of the weights.
        starts: places of the panel's blocks.
        is_last: whether the thread has no further panel.
        behind: where what is asked for then begins, and the bytes from one stream of it to the next; where it is 0, it
            is the panel at hand, which costs nothing.
    """

    def __init__(self, code: Code, held: Layout, starts: list, is_last, behind, turns: Turns):
        b, (there, step), self._code, self._turns = code.b, behind, code, turns
        turn_bytes = turns.inputs * LANES * (4 if held.kind == "f32" else 2)
        # A part's share is rounded up to whole bytes a turn.
        self._pace = b.sdiv(code.add(turns.parts, turn_bytes - 1), turns.parts)
        before = code.times(code.times(turns.part, held.into // turns.inputs), self._pace)
        is_known = b.icmp_signed("!=", code.whole(there), code.whole(0))
        self._goals = []
        for i, start in enumerate(starts):
            elsewhere = b.select(is_known, b.inttoptr(code.add(there, code.times(step, i)), code.pointer), start)
            goal = b.select(is_last, elsewhere, code.at(start, held.block_bytes))
            self._goals.append(code.at(goal, before))
        self._lines = range(0, -(-turn_bytes // len(starts)), _LINE)

    def ask(self, k) -> None:
        """Ask for what belongs to the turn that begins with input `k`."""
        code = self._code
        gone = code.times(code.b.sdiv(k, code.whole(self._turns.inputs)), self._pace)
        for goal in self._goals:
            for line in self._lines:
                code.prefetch(code.at(goal, gone, line), level=2)
