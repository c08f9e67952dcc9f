"""llama.cpp as a peer, through `llama-cpp-python`, an optional package that is compiled where it is installed.

It continues the same token ids as everyone else, greedily, with as many threads as torch, and its loop is
bare: decode, take the most probable token, decode. Its weights are those of the model's own GGUF file,
as they are or written anew in another format (see `gguf_formats`).
"""

import ctypes
import time
from pathlib import Path

import torch

from s3d_core.bench.contenders import Reply, reply_of
from s3d_core.bench.memory import HighWater
from s3d_core.errors import SettingError
from s3d_core.settings import SamplingSettings

_VERSION = "0.3.36"
# Tokens of the prompt that are read at once.
_BATCH = 512


def build() -> str:
    """What to type so that it is compiled for this processor.

    Left to itself it would use AMX where the processor names it, which some virtual machines then refuse.
    """
    able = torch.cpu.get_capabilities()
    has = {
        "AVX2": able.get("avx2"),
        "FMA": able.get("fma3"),
        "F16C": able.get("f16c"),
        "AVX512": able.get("avx512_f") and able.get("avx512_bw"),
        "AVX512_VNNI": able.get("avx512_vnni"),
        "AVX512_VBMI": able.get("avx512_vbmi"),
        "AVX512_BF16": able.get("avx512_bf16"),
        "AMX_TILE": False,
        "AMX_INT8": False,
    }
    flags = " ".join(f"-DGGML_{name}={'ON' if is_here else 'OFF'}" for name, is_here in has.items())
    return f'CMAKE_ARGS="-DGGML_NATIVE=OFF {flags} -DLLAVA_BUILD=OFF" pip install llama-cpp-python=={_VERSION}'


def check() -> None:
    """See that the package is here.

    Raises:
        SettingError: it is not, with what to type.
    """
    try:
        import llama_cpp  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        raise SettingError(
            f"llama.cpp can take part only where llama-cpp-python is installed. Type this: {build()}"
        ) from error


def instructions() -> str:
    """What instructions llama.cpp was built for, in its own words.

    Raises:
        SettingError: the package is not here.
    """
    check()
    import llama_cpp

    told = llama_cpp.llama_print_system_info().decode(errors="replace")
    return " ".join(part.strip() for part in told.replace("CPU :", "").split("|") if part.strip())


class LlamaCpp:
    """A GGUF file run by llama.cpp.

    Args:
        name: how it is called in the results.
        context: most tokens of prompt and reply together.
        is_gpu: run on the GPU, where llama.cpp was built for one.

    Raises:
        SettingError: the package is not here, or llama.cpp cannot read the file.
    """

    def __init__(
        self, name: str, path: Path, stop_ids: frozenset[int], context: int, threads: int, is_gpu: bool = False
    ):
        check()
        import llama_cpp

        self.name, self._stop_ids, self._llama_cpp = name, stop_ids, llama_cpp
        water = HighWater(torch.device("cpu"))
        water.begin()
        try:
            self._model = llama_cpp.Llama(
                model_path=str(path),
                n_ctx=context,
                n_batch=_BATCH,
                n_threads=threads,
                n_threads_batch=threads,
                n_gpu_layers=-1 if is_gpu else 0,
                verbose=False,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise SettingError(f"llama.cpp cannot read {path.name} ({error}); leave out {name}.") from error
        self._context = self._model.ctx
        self._greedy = llama_cpp.llama_sampler_init_greedy()
        self.pass_bytes = int(llama_cpp.llama_model_size(self._model.model))
        self._built = None if is_gpu else max(self.pass_bytes, water.grown() or 0)

    @property
    def held(self) -> int | None:
        """Bytes that the process grew by when it was made, and at least the weights, which are a mapped file."""
        return self._built

    def reply(self, ids: list[int], sampling: SamplingSettings) -> Reply:
        """Continue a prompt from a cold cache.

        Raises:
            SettingError: it is not to be greedy.
        """
        if sampling.temperature:
            raise SettingError(f"The benchmark compares with llama.cpp at temperature 0 only; leave out {self.name}.")
        llama = self._llama_cpp
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)
        passes: list[tuple[float, int]] = []
        written: list[int] = []
        began = time.perf_counter()
        for start in range(0, len(ids), _BATCH):
            self._decode(ids[start : start + _BATCH])
        while True:
            written.append(llama.llama_sampler_sample(self._greedy, self._context, -1))
            passes.append((time.perf_counter(), len(written)))
            if written[-1] in self._stop_ids or len(written) >= sampling.max_tokens:
                return reply_of(written, began, passes, bytes_read=(len(passes) - 1) * self.pass_bytes)
            self._decode(written[-1:])

    def _decode(self, tokens: list[int]) -> None:
        llama = self._llama_cpp
        held = (llama.llama_token * len(tokens))(*tokens)
        if code := llama.llama_decode(self._context, llama.llama_batch_get_one(held, ctypes.c_int32(len(tokens)))):
            raise SettingError(f"llama.cpp could not go on with the text (code {code}); leave out {self.name}.")

    def close(self) -> None:
        """Give the memory back."""
        self._llama_cpp.llama_sampler_free(self._greedy)
        self._model.close()
