"""Loads a model, fills its context, and prints by how much the process grew at its peak. Run as a process."""

import json
import sys
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def highest() -> int:
    """The most memory that this process ever held, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main(path: str, dtype: str, context: int) -> None:
    """Print one JSON object."""
    before = psutil.Process().memory_info().rss
    from s3d_core.engine import Engine
    from s3d_core.settings import SamplingSettings

    engine = Engine.load(Path(path), dtype=dtype, context=context)
    ids = [5 + i % 90 for i in range(context - 64)]
    for _ in engine.generate(ids, engine.info.defaults, SamplingSettings(max_tokens=60)):
        pass
    info = engine.info
    print(json.dumps({"growth": highest() - before, "has_adapter": info.has_adapter, "dtype": info.dtype}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
