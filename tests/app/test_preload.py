"""What bringing the decoder into the process leaves to the garbage collector, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from core.files import save_folder

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import gc, json, sys, weakref
from pathlib import Path
from app.engine.parts import real_parts

told = []
for _ in range(3):
    engine = real_parts().open_engine(Path(sys.argv[1]), lambda sentence, share: None)
    target = weakref.ref(engine.target)
    engine.close()
    del engine
    told.append((target() is None, len(gc.get_objects())))
print(json.dumps({"closed": told, "frozen": gc.get_freeze_count(), "thresholds": gc.get_threshold()}))
"""


@pytest.mark.slow
def test_a_model_that_goes_is_collected_without_looking_through_the_libraries(tmp_path):
    """A full collection holds Python's lock: looking through torch and transformers, it stopped all for 270 ms."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(save_folder(tmp_path / "tiny"))],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert [is_gone for is_gone, _ in told["closed"]] == [True, True, True]
    assert told["frozen"] > 100_000
    assert all(looked_through < told["frozen"] / 5 for _, looked_through in told["closed"]), told
    assert told["thresholds"][2] < 1000
