"""What the window says when something goes wrong in the decoder's thread."""

import contextlib
import gc
import logging
import sys
import traceback

from s3d_core.errors import OUT_OF_MEMORY, S3DError, is_out_of_memory, said_by

log = logging.getLogger(__name__)

SLOWER = (
    "Drafting was slower than plain decoding here, so it is off for the rest of this answer. "
    "Move a slider to try again."
)

TOO_LONG = (
    "There is not enough memory to go on with this answer; what was written stays. Start a new, shorter chat, "
    "close other programs, or go on without drafting."
)

GPU_LOST = (
    "The GPU stopped working, and this program cannot use it again before it is started anew: close S3D Chat and open "
    "it. What was written stays."
)

ON_CPU = (
    "The GPU stopped working, so the model runs on the CPU now, which is slower. Start S3D Chat anew to use the GPU "
    "again."
)

_OF_GPUS = ("cuda error", "cudnn", "cublas", "acceleratorerror")


def is_gpu_lost(error: BaseException) -> bool:
    """Whether the GPU or its driver failed, which no later call on it survives."""
    said = f"{type(error).__name__}: {said_by(error)}".lower()
    return not is_out_of_memory(error) and any(name in said for name in _OF_GPUS)


def give_back(error: BaseException) -> None:
    """Let go of what a computation held that ran out of memory; its frames hold on to it through the traceback."""
    log.warning("out of memory: %s", said_by(error))
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch := sys.modules.get("torch"):
        with contextlib.suppress(Exception):  # a GPU that is lost as well has nothing to give
            torch.cuda.empty_cache()


def explain(error: BaseException) -> str:
    """One sentence for the user. What nobody foresaw goes into the log with its traceback."""
    if isinstance(error, S3DError):
        return str(error)
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    log.error("unexpected error in the engine", exc_info=error)
    if is_gpu_lost(error):
        return GPU_LOST
    said = said_by(error).strip().splitlines()
    return f"Something went wrong: {said[0] if said else type(error).__name__}"
