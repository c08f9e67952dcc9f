"""Functions of tensors that are recorded once and replayed: CUDA graphs.

A pass of few rows is some hundred small kernels, and starting them one by one takes longer than running
them. A recording starts them all at once. It knows addresses, not values: what changes from call to
call has to come in tensors, and the K/V cache has to stay where it is.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Protocol

import torch

Tensors = tuple[torch.Tensor, ...]
# Takes tensors, returns tensors, and asks the host for nothing in between.
Function = Callable[..., Tensors]

log = logging.getLogger(__name__)


class Recording(Protocol):
    """One recorded call.

    Attributes:
        outputs: what the function returned; `replay` writes them anew.
    """

    outputs: Tensors

    def replay(self) -> None:
        """Do it again, with what the inputs hold now."""

    def reset(self) -> None:
        """Give its memory back."""


class Pool(Protocol):
    """Memory that recordings share."""

    def record(self, function: Function, inputs: Tensors) -> Recording:
        """Record a call of `function` on just these tensors.

        Raises:
            RuntimeError: memory ran out, or the function does what cannot be recorded.
        """


class Graphs:
    """Calls of functions, the second one recorded and all further ones replayed.

    The first one runs as it is: many shapes come up only once.

    Args:
        new_pool: makes the memory that recordings share; called anew when all of them are given up.
        most: recordings kept; the one that was not used for longest goes first.
    """

    def __init__(self, new_pool: Callable[[], Pool], most: int = 32):
        self._new_pool, self._most = new_pool, most
        self._pool: Pool | None = None
        self._place: object = None
        self._seen: set[Hashable] = set()
        # The functions are kept for the tensors that only they know of.
        self._held: OrderedDict[Hashable, tuple[Tensors, Recording, Function]] = OrderedDict()
        self.gave_up = False

    def __len__(self) -> int:
        return len(self._held)

    def __call__(self, key: Hashable, place: object, function: Function, *inputs: torch.Tensor) -> Tensors:
        """What `function(*inputs)` returns.

        Args:
            key: says all that the function does beyond its inputs, their shapes included.
            place: stands for the memory that it uses beyond them; another object makes every recording void.
        """
        if place is not self._place:
            self.clear()
            self._place = place
        if key in self._held:
            self._held.move_to_end(key)
            static, recording, _ = self._held[key]
            for held, given in zip(static, inputs, strict=True):
                held.copy_(given)
        elif key not in self._seen or not (found := self._record(key, function, inputs)):
            self._seen.add(key)
            return function(*inputs)
        else:
            recording = found
        recording.replay()
        # Where recordings share memory, the next one may write over what this one returned.
        return tuple(t.clone() for t in recording.outputs)

    def _record(self, key: Hashable, function: Function, inputs: Tensors) -> Recording | None:
        if self.gave_up:
            return None
        self._pool = self._pool or self._new_pool()
        try:
            static = tuple(t.clone() for t in inputs)
            recording = self._pool.record(function, static)
        except RuntimeError as error:
            self.gave_up = True
            log.warning("Passes go on without new CUDA graphs, which is slower: %s", str(error).partition("\n")[0])
            return None
        self._held[key] = static, recording, function
        if len(self._held) > self._most:
            self._held.popitem(last=False)[1][1].reset()
        return recording

    def clear(self) -> None:
        """Give up every recording and its memory."""
        for _, recording, _ in self._held.values():
            recording.reset()
        self._held.clear()
        self._seen.clear()
        # torch does not take up a pool again that no graph uses any more.
        self._pool, self.gave_up = None, False


def pools(device: torch.device) -> Callable[[], Pool] | None:
    """What passes are recorded in on a device: CUDA graphs on an NVIDIA GPU, nothing elsewhere."""
    return partial(CudaPool, device) if device.type == "cuda" else None


class CudaPool:
    """Records CUDA graphs on one device, which share a memory pool and a stream."""

    def __init__(self, device: torch.device):
        self._handle = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(device)

    def record(self, function: Function, inputs: Tensors) -> "CudaRecording":
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        # The outer context brings the stream back even where a capture that failed does not.
        with torch.cuda.stream(self._stream):
            function(*inputs)  # libraries take their workspaces now and not in the recording
            # Another thread may ask the driver for memory meanwhile.
            with torch.cuda.graph(graph, pool=self._handle, stream=self._stream, capture_error_mode="thread_local"):
                outputs = function(*inputs)
        current.wait_stream(self._stream)
        return CudaRecording(graph, outputs)


class CudaRecording:
    """A CUDA graph and its outputs; see `Recording`."""

    def __init__(self, graph: torch.cuda.CUDAGraph, outputs: Tensors):
        self._graph, self.outputs = graph, outputs

    def replay(self) -> None:
        self._graph.replay()

    def reset(self) -> None:
        torch.cuda.synchronize(self.outputs[0].device)  # it may still be running
        self.outputs = ()
        self._graph.reset()
