"""Weights of eight and four bits: what passes of 1 to 17 rows take in each format, and whether a slow one is marked."""

import torch
from gpu import speed
from gpu.clock import timed
from gpu.place import Place
from gpu.table import Table

from s3d_core.bench.contenders import Ours
from s3d_core.decode import prefill
from s3d_core.engine import Engine
from s3d_core.errors import ModelError
from s3d_core.quantised import FORMATS
from s3d_core.settings import DraftSettings
from s3d_core.stats import SLOW_VERIFY

# The mark rests on a few passes measured when the model is loaded, so that it may differ this close to its limit.
_CLOSE = 0.15


def check(place: Place, table: Table) -> None:
    """Every format of the large shape, bfloat16 first, which the others are compared with."""
    times = _by_rows(place, place.engine())
    usual = times[1]
    _report(place, table, "bfloat16", place.engine(), times, usual)
    place.release()
    for name in FORMATS:
        try:
            engine = place.load(place.folder, name, place.adapter())
        except ModelError as error:
            table.note(f"{name} weights", str(error))
            continue
        _report(place, table, name, engine, _by_rows(place, engine), usual)
        engine.close()
        del engine


@torch.inference_mode()
def _by_rows(place: Place, engine: Engine) -> dict[int, float]:
    """Milliseconds of a pass by its rows; numbers that share a recording are timed once."""
    prefill(engine.target, engine.cache, [*place.prompt(place.contexts[0]), 3])
    rows = (1, 2, 17) if place.small else (1, 2, 3, 5, 9, 17)
    return {n: timed(place, speed.step_of(engine, n)) for n in rows}


def _report(place: Place, table: Table, name: str, engine: Engine, times: dict[int, float], usual: float) -> None:
    rows = ", ".join(f"{n}: {ms:.3g}" for n, ms in times.items())
    table.note(f"{name}: milliseconds by rows", rows)
    table.note(f"{name}: plain step over bfloat16's", f"{times[1] / usual:.2f} x", times[1] / usual)
    ratio, marked = times[17] / times[1], engine.info.verifies_slowly
    agrees = abs(ratio / SLOW_VERIFY - 1) < _CLOSE or marked == (ratio > SLOW_VERIFY)
    what = f"{name}: verify of 17 rows"
    measured = f"{ratio:.2f} x plain, {'marked' if marked else 'not marked'} as slow"
    if name in FORMATS and table.judges_speed:
        table.check(what, measured, f"marked above {SLOW_VERIFY} x", agrees)
    else:
        table.note(what, measured, ratio)
    speeds = [
        speed.tokens_per_second(place, Ours(engine, draft))
        for draft in (DraftSettings("plain"), speed.half_skipped(engine))
    ]
    weights = engine.memory()["weights"]
    table.note(f"{name}: tokens/s of plain and of s3d", f"{speeds[0]:.1f} and {speeds[1]:.1f}", speeds[0])
    table.note(f"{name}: weights", f"{weights / 2**20:.3g} MiB", weights)
    table.check(f"{name}: passes of few rows are recorded", f"{len(engine.target.steps.graphs)} recordings", "some",
                len(engine.target.steps.graphs) > 0 and not engine.target.steps.graphs.gave_up)  # fmt: skip
