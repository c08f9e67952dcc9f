"""What is recorded when, what replays give, how often a round waits for the device, and what happens without memory."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from core.tape import Questions, TapePool
from gpu import exact, speed
from gpu.place import Place
from gpu.table import Table

from s3d_core.decode import prefill
from s3d_core.engine import Engine
from s3d_core.graphs import CudaPool, Function, Pool, Recording, Tensors
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.steps import Steps

# Numbers of rows, among them some that share a recording with the next larger one, and the recordings of them all.
ROWS, BUCKETS = (1, 3, 4, 5, 9, 17), 5


def check(place: Place, table: Table) -> None:
    """Everything that is asked of recordings, at the large shape but for the lack of memory."""
    _waits(place, table, place.engine())
    _keys(place, table, place.engine())
    _without_memory(place, table)


def _waits(place: Place, table: Table, engine: Engine) -> None:
    """How often a round of each kind waits for the device, once its passes are recorded."""
    for draft in (DraftSettings("plain"), speed.half_skipped(engine), DraftSettings("auto")):
        rounds, waits = 0, 0
        sampling = SamplingSettings(max_tokens=100)
        for _ in range(2):
            engine.cache.rewind(0)
            with counted(place) as found:
                replies = engine.generate(place.prompt(20), draft, sampling)
                for _ in range(6):
                    next(replies)
                rounds, waits = 0, found()
                for _ in range(4 if place.small else 12):
                    next(replies)
                    rounds += 1
                waits = found() - waits
            replies.close()
        table.check(f"waits for the device, {draft.strategy}", f"{waits} in {rounds} rounds", "one a round",
                    waits <= rounds)  # fmt: skip


@contextmanager
def counted(place: Place) -> Iterator[Callable[[], int]]:
    """Counts what makes the host wait. On a CPU the copy that ends a round is none, and operations that ask count."""
    if place.device.type != "cuda":
        with Questions() as questions:
            yield lambda: questions.asked
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lambda: sum("synchroniz" in str(w.message) for w in caught)
        finally:
            torch.cuda.set_sync_debug_mode("default")


class Counting:
    """A pool that counts what is recorded in it, `made` over all of them."""

    made = 0

    def __init__(self, pool: Pool):
        self._pool = pool

    def record(self, function: Function, inputs: Tensors) -> Recording:
        type(self).made += 1
        return self._pool.record(function, inputs)


@torch.inference_mode()
def _keys(place: Place, table: Table, engine: Engine) -> None:
    """One recording for each number of rows (the next larger one that there is), kept set and span of the cache."""
    target, cache = engine.target, engine.cache
    cache.rewind(0)
    prefill(target, cache, [*place.prompt(place.contexts[1]), 3])
    Counting.made, pools = 0, []

    def new_pool() -> Counting:
        pools.append(Counting(place.pools()))
        return pools[-1]

    steps, bits = Steps(target, new_pool), []
    spans = (20, 300) if place.small else (20, 300, 900)
    sets = (tuple(range(target.depth)), target.kept_layers(target.depth // 2))
    before = _beside_torch(place)
    for again in range(3):
        for start in spans:
            for kept in sets:
                for rows in ROWS:
                    found = _step(place, steps, cache, rows, start, kept)
                    if again == 0:
                        bits.append(found)
                    elif again == 2:
                        bits.append(torch.equal(bits.pop(0), found))
    wanted = BUCKETS * len(sets) * len(spans)
    measured = f"{Counting.made}, in {len(pools)} pool, {len(steps.graphs)} of them kept"
    table.check(
        f"recordings of {len(ROWS)} numbers of rows, {len(sets)} kept sets, {len(spans)} spans",
        measured,
        f"{wanted} in 1",
        (Counting.made, len(pools)) == (wanted, 1),
    )
    table.check(
        "tokens of replays against those of calls", f"{sum(bits)} of {len(bits)} passes equal", "all", all(bits)
    )
    if place.device.type == "cuda":
        size = (_beside_torch(place) - before) / max(1, len(steps.graphs))
        table.note("the driver's memory for a recording", f"{size / 2**20:.1f} MiB", size)
    steps.graphs.clear()


def _step(place: Place, steps: Steps, cache, rows: int, start: int, kept: tuple[int, ...]) -> torch.Tensor:
    tokens = torch.arange(3, 3 + rows, device=place.device)
    visible = torch.ones(rows, rows, dtype=torch.bool, device=place.device).tril()
    positions = torch.arange(start, start + rows, device=place.device)
    return steps.logits(tokens, positions, start + rows - 1, cache, visible, start, kept).argmax(dim=-1)


def _beside_torch(place: Place) -> int:
    """Bytes of a GPU that torch does not hold."""
    if place.device.type != "cuda":
        return 0
    torch.cuda.synchronize(place.device)
    free, total = torch.cuda.mem_get_info(place.device)
    return total - free - torch.cuda.memory_reserved(place.device)


class Starving(CudaPool):
    """A pool in which memory ends in the middle of every recording, for real."""

    def record(self, function: Function, inputs: Tensors) -> Recording:
        def hungry(*given: torch.Tensor) -> Tensors:
            outputs = function(*given)
            if torch.cuda.is_current_stream_capturing():
                torch.empty(1 << 48, dtype=torch.uint8, device=outputs[0].device)
            return outputs

        return super().record(hungry, inputs)


class StarvingTape(TapePool):
    """The same without a GPU."""

    room = 0


def _without_memory(place: Place, table: Table) -> None:
    """Where nothing can be recorded for want of memory, texts are written all the same."""
    folder = place.home / "exact"
    engine = place.load(folder, "float32", recorded=False)
    prompt, sampling = place.prompt(9), SamplingSettings(max_tokens=place.tokens)

    def text() -> list[int]:
        return [token for done in engine.generate(prompt, exact.GRID[2], sampling) for token in done.ids]

    expected = text()
    engine.target.record(StarvingTape if place.device.type != "cuda" else lambda: Starving(place.device))
    engine.cache = engine.target.new_cache(engine.context_limit)
    logging.getLogger("s3d_core.graphs").disabled = True  # it says so in the log, as it should
    try:
        found = text()
    finally:
        logging.getLogger("s3d_core.graphs").disabled = False
    graphs = engine.target.steps.graphs
    fell_back, same = graphs.gave_up and len(graphs) == 0, found == expected
    table.check(
        "memory that ends while a pass is recorded",
        ("unrecorded passes, " if fell_back else "recorded or broken, ") + ("same" if same else "another") + " text",
        "unrecorded passes, same text",
        fell_back and same,
    )
    engine.close()
