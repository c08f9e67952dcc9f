"""What a CUDA graph is, on the CPU: operations and addresses, no Python, no values that the host has read."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from s3d_core.graphs import Function, Tensors

# A capture refuses these: they need the host to wait for a value, or to copy one from its memory.
_HOST = ("_local_scalar_dense", "nonzero", "lift_fresh", "is_nonzero", "equal", "masked_select", "unique")


class Tape(TorchDispatchMode):
    """Records operations on tensors and does them again on the same memory."""

    def __init__(self):
        super().__init__()
        self._done = []
        self.outputs: Tensors = ()

    def __torch_dispatch__(self, operation, types, given=(), named=None):
        named = named or {}
        if operation.__name__.split(".")[0] in _HOST:
            raise RuntimeError(f"{operation.__name__} cannot be recorded")
        result = operation(*given, **named)
        self._done.append((operation, given, named, result))
        return result

    def replay(self) -> None:
        with torch.inference_mode():
            for operation, given, named, before in self._done:
                now = operation(*given, **named)
                for old, new in zip(tree_flatten(before)[0], tree_flatten(now)[0], strict=True):
                    # A view, or what was changed in place, is where it was.
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)

    def reset(self) -> None:
        self._done, self.outputs = [], ()


class Questions(TorchDispatchMode):
    """Counts the operations that make a host wait for a device.

    Attributes:
        asked: so far.
    """

    def __init__(self):
        super().__init__()
        self.asked = 0

    def __torch_dispatch__(self, operation, types, given=(), named=None):
        # Host values that become tensors are not asked for.
        name = operation.__name__.split(".")[0]
        self.asked += name in _HOST and name != "lift_fresh"
        return operation(*given, **(named or {}))


class TapePool:
    """A pool of tapes.

    Attributes:
        made: how many pools there are, one count for all.
        room: recordings that memory suffices for, in all.
    """

    made = 0
    room = 10**9

    def __init__(self):
        type(self).made += 1

    def record(self, function: Function, inputs: Tensors) -> Tape:
        if self.room <= 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
        type(self).room -= 1
        tape = Tape()
        with tape:
            outputs = function(*inputs)
        # What a graph returned lies in memory of its own, which a replay of another one may use.
        tape.outputs = outputs
        scribble(outputs)
        return tape


def scribble(outputs: Tensors) -> None:
    """Spoil what a recording has computed while it was made: a CUDA graph computes nothing then."""
    tree_map(lambda t: t.fill_(7) if isinstance(t, torch.Tensor) else t, outputs)
