"""Times and memory of passes at the large shape, beside the memory's speed and beside transformers."""

import statistics
from collections.abc import Callable

import torch
from gpu.clock import copy_bandwidth, timed
from gpu.place import Place
from gpu.table import Table

from s3d_core.bench.contenders import Ours, Transformers
from s3d_core.bench.traffic import Traffic
from s3d_core.decode import prefill, verify
from s3d_core.draft import State
from s3d_core.engine import Engine
from s3d_core.load import stock_model
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings, SamplingSettings
from s3d_core.tree import Tree

ROWS = 17
PLAIN, VERIFY, DRAFT, MEMORY = 1.5, 1.15, 0.6, 2.0
# A short text must not pay for slots that a longer one has made room for.
IN_USE = 1.1


def check(place: Place, table: Table) -> None:
    """Everything that is asked of the speed in 16 bits."""
    plain = place.plain_engine()
    plain_peak = _peak(place, plain, DraftSettings("plain"))
    plain_speed = tokens_per_second(place, Ours(plain, DraftSettings("plain")))
    plain.close()
    del plain
    engine = place.engine()
    drafting = half_skipped(engine)
    _memory(table, engine, plain_peak, _peak(place, engine, drafting))
    _passes(place, table, engine, drafting)
    s3d_speed = tokens_per_second(place, Ours(engine, drafting))
    stock = stock_model(place.folder, torch.bfloat16, place.device)
    hf_speed = tokens_per_second(place, Transformers("hf", stock, frozenset(), 1))
    for name, speed in (("plain", plain_speed), ("s3d, whose drafts are worth nothing here", s3d_speed)):
        table.note(f"tokens/s, {name}", f"{speed:.1f} ({speed / hf_speed:.2f} x transformers)", speed)
    table.note("tokens/s, transformers' generate", f"{hf_speed:.1f}", hf_speed)


def half_skipped(engine: Engine) -> DraftSettings:
    """Drafts by half of the layers, and a tree that fills the verify pass."""
    return DraftSettings("s3d", engine.target.depth // 2, MAX_DRAFT_LENGTH, tree_size=ROWS - 1)


def step_of(engine: Engine, rows: int) -> Callable[[], torch.Tensor]:
    """A pass of so many rows behind the cache's tokens, as a round runs it, up to its tokens on the device."""
    tree = Tree.chain([3] * (rows - 1))
    return lambda: verify(engine.target, engine.cache, 3, tree).argmax(dim=-1)


@torch.inference_mode()
def _passes(place: Place, table: Table, engine: Engine, drafting: DraftSettings) -> None:
    bandwidth = copy_bandwidth(place)
    table.note("copy bandwidth of the device's memory", f"{bandwidth / 1e9:.0f} GB/s", bandwidth)
    read = Traffic(engine).plain
    shortest = place.prompt(place.contexts[0])
    prefill(engine.target, engine.cache, [*shortest, 3])
    plain = timed(place, step_of(engine, 1))
    reading = 1000 * read / bandwidth
    table.at_most(
        "plain step over reading the weights", plain / reading, PLAIN, detail=f"{plain:.3f} ms, {read / 1e9:.2f} GB"
    )
    table.at_most(f"verify of {ROWS} rows over plain", timed(place, step_of(engine, ROWS)) / plain, VERIFY)
    s3d, state = engine.strategies["s3d"], State([*shortest, 3], engine.cache, drafting, most=1000)
    table.at_most(
        "draft of half the layers, adapter and tree included, over plain",
        timed(place, lambda: s3d.propose(state)) / plain,
        DRAFT,
    )
    _contexts(place, table, engine, plain)


def _contexts(place: Place, table: Table, engine: Engine, plain: float) -> None:
    """Steps behind longer and longer texts, and then behind a short one where there is room for the longest."""
    for context in place.contexts[1:]:
        prefill(engine.target, engine.cache, [*place.prompt(context), 3])
        one, rows = (timed(place, step_of(engine, n)) for n in (1, ROWS))
        table.note(
            f"steps at {context:,} tokens over those at {place.contexts[0]:,}",
            f"{one / plain:.2f} x plain, {rows / plain:.2f} x for {ROWS} rows",
            one / plain,
        )
    engine.cache.rewind(place.contexts[0])
    again = timed(place, step_of(engine, 1))
    table.at_most("plain step in a long cache over one in a short cache, same text", again / plain, IN_USE)


def tokens_per_second(place: Place, contender: Ours | Transformers) -> float:
    """Median tokens/s behind the first pass, of three texts behind one that is not counted."""
    prompt, sampling = place.prompt(place.contexts[0]), SamplingSettings(max_tokens=place.tokens)
    texts = 1 if place.small else 3
    replies = [contender.reply(prompt, sampling) for _ in range(1 + texts)][1:]
    assert all(len(reply.ids) == place.tokens for reply in replies)
    return statistics.median(reply.tokens_per_second or 0.0 for reply in replies)


def _peak(place: Place, engine: Engine, draft: DraftSettings) -> int:
    """Bytes of the device at the most while a text is written: torch's, and what the driver holds beside them.

    Elsewhere than on a GPU, the bytes that are counted.
    """
    if place.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place.device)
    for _ in engine.generate(place.prompt(place.contexts[1]), draft, SamplingSettings(max_tokens=place.tokens)):
        pass
    if place.device.type != "cuda":
        return sum(engine.memory().values())
    torch.cuda.synchronize(place.device)
    free, total = torch.cuda.mem_get_info(place.device)
    beside = total - free - torch.cuda.memory_reserved(place.device)
    return torch.cuda.max_memory_allocated(place.device) + beside


def _memory(table: Table, engine: Engine, plain: int, s3d: int) -> None:
    held = engine.memory()
    parts = f"adapter {held['adapter'] / 2**20:.0f} MiB, peaks {plain / 2**30:.2f} and {s3d / 2**30:.2f} GiB"
    table.at_most("memory that S3D takes beyond plain decoding", 100 * (s3d - plain) / plain, MEMORY, "%", parts)
