"""Every check that needs an NVIDIA GPU, in one table.

    python tests/gpu/run.py

It takes some minutes and 12 GB of the GPU's memory and of the disk's. The model is one of Phi-3-mini's true shape
with random weights in bfloat16: the time of a pass does not depend on the weights' values. Formats of eight and four
bits need the extra `gpu-quant`. The exit status is 1 where a line fails and 2 where there is no GPU; the last line of
stdout is everything measured, as JSON.

`--device cpu --small` runs the same code on a tiny shape, with a stand-in for CUDA graphs, as the tests do: times and
memory are not judged there, texts and recordings are.
"""

import argparse
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from gpu import exact, formats, recordings, speed  # noqa: E402
from gpu.place import Place  # noqa: E402
from gpu.table import Table  # noqa: E402

from s3d_core.errors import S3DError  # noqa: E402
from s3d_core.load import pick_device  # noqa: E402

# In this order: later ones use the models that earlier ones have written.
CHECKS = {"exactness": exact.check, "speed": speed.check, "recordings": recordings.check, "formats": formats.check}


def main(given: list[str] | None = None) -> int:
    """Run the checks; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ... or cpu (cuda)")
    parser.add_argument("--small", action="store_true", help="a tiny shape, to see that everything runs")
    parser.add_argument("--folder", type=Path, help="where the model is written meanwhile (a temporary folder)")
    args = parser.parse_args(given)
    try:
        device = pick_device(args.device)
    except S3DError as error:
        print(f"{error} These checks need one; --device cpu --small only tries the script.")
        return 2
    if device.type == "cpu" and not args.small:
        print("On a processor a model of Phi-3-mini's size takes hours; give --small with --device cpu.")
        return 2
    table = Table(judges_speed=not args.small)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=args.folder) as home:
        place = Place(device, args.small, Path(home))
        for name, check in CHECKS.items():
            try:
                check(place, table)
            except Exception as error:  # the other checks are still worth their time
                traceback.print_exc()
                table.check(name, f"broke off: {type(error).__name__}: {error}".splitlines()[0], "runs through", False)
            place.collect()
        place.release()
    seconds = time.perf_counter() - began
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    shape = "tiny shape" if args.small else "the shape of Phi-3-mini"
    print(f"\n{name}, torch {torch.__version__}, {shape}, {seconds:.0f} s\n\n{table}\n")
    print(table.as_json(device=name, torch=torch.__version__, small=args.small, seconds=round(seconds, 1)))
    return 0 if table.passed else 1


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    sys.exit(main())
