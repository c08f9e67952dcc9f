"""From files to a `Target` and its tokenizer: safetensors folders and GGUF files, nothing that runs code."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from s3d_core import quantised, tokenizer_file
from s3d_core.errors import ModelError, is_out_of_memory
from s3d_core.families import ARCHITECTURES
from s3d_core.gguf import Progress, unpacked
from s3d_core.kernels import jit
from s3d_core.layer import LINEARS, as_tensor
from s3d_core.target import Target
from s3d_core.trust import check_config, refuse_pickle, weight_files

# End-of-turn tokens that some checkpoints' generation settings forget.
_TURN_ENDS = ("<|im_end|>", "<|end|>", "<|eot_id|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>")


@dataclass
class Loaded:
    """A model ready to run.

    Attributes:
        stop_ids: tokens that end a reply.
    """

    target: Target
    tokenizer: Any
    stop_ids: frozenset[int]
    name: str


def pick_device(device: str) -> torch.device:
    """The device to run on; "auto" is the first CUDA GPU, else the CPU.

    Raises:
        ModelError: the device is not there.
    """
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"There is no device called {device!r}; choose auto, cpu or cuda.") from error
    if picked.type not in ("cpu", "cuda"):
        raise ModelError(f"This program does not run on the device {device!r}; choose auto, cpu or cuda.")
    if picked.type == "cuda":
        if not torch.cuda.is_available():
            raise ModelError("No NVIDIA GPU can be used by this installation of torch; choose the device cpu.")
        count = torch.cuda.device_count()
        if (picked.index or 0) >= count:
            raise ModelError(f"There is no GPU {picked.index} here; the last one is cuda:{count - 1}.")
    return picked


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The precision to run in; "auto" is bfloat16 where the hardware multiplies it, else float32.

    Raises:
        ModelError: the precision is not one of auto, float32, bfloat16, float16.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    known |= {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
    if dtype != "auto":
        if dtype not in known:
            raise ModelError(
                f"There is no precision called {dtype!r}; choose auto, float32, bfloat16, float16, int8, int4 or nf4."
            )
        return known[dtype]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # The packed products widen bfloat16 on the way, which costs nothing and halves what is read.
    native = torch.cpu.get_capabilities().get("avx512_bf16") or torch.cpu.get_capabilities().get("amx_bf16")
    return torch.bfloat16 if native or jit.available() else torch.float32


def load(
    path: Path, dtype: torch.dtype, device: torch.device, progress: Progress, weights: str | None = None
) -> Loaded:
    """Read a model folder (safetensors) or a GGUF file.

    Args:
        weights: what the layers' matrices are brought into, of `quantised.FORMATS`; None for `dtype`.

    Raises:
        ModelError: it is missing, damaged, not of a known family, or too large for the memory.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError(f"There is no model at {path}.")
    progress("Loading the libraries", 0.0)
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = path
    if path.is_file():
        refuse_pickle(path)
        if path.suffix.lower() != ".gguf":
            raise ModelError(f"{path.name} is not a model file; choose a .gguf file or a folder with safetensors.")
        folder = unpacked(path, dtype, progress)
    check_folder(folder)
    progress("Loading the tokenizer", 0.4)
    try:
        config = _config(folder)
        with tokenizer_file.in_steps():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, config=config, local_files_only=True, trust_remote_code=False
            )
    except BaseException as error:  # tokenizers raise many kinds, and a panic in Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise ModelError(f"The tokenizer of {path.name} cannot be read ({_brief(error)}); fetch it again.") from error
    progress("Loading the weights", 0.5)
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:  # transformers and safetensors raise many kinds for a damaged file
        if is_out_of_memory(error):
            raise ModelError(f"{path.name} does not fit into the memory of this machine.") from error
        raise ModelError(f"{path.name} cannot be read as a model ({_brief(error)}); fetch it again.") from error
    if missing := sorted(found["missing_keys"]):
        # transformers would go on with random numbers in their place.
        raise ModelError(f"{path.name} is incomplete: {missing[0]} is missing; fetch it again.")
    progress("Preparing the layers", 0.8)
    generation = model.generation_config
    try:
        target = Target((model if weights else model.to(device)).eval())
        if weights:
            quantise(target, weights, device)
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise ModelError(f"{path.name} does not fit into the memory of {device}.") from error
        raise
    return Loaded(
        target, tokenizer, stop_tokens(tokenizer, target.config, generation), path.stem if path.is_file() else path.name
    )


def quantise(target: Target, name: str, device: torch.device) -> None:
    """Bring a model that lies on the host onto `device`, its layers' matrices in one of `quantised.FORMATS`.

    One matrix at a time, so that the device never holds the model in more bits.

    Raises:
        ModelError: the library for it is missing or cannot be used, or the GPU is too old for it.
    """
    quantised.check(name, device)
    target.fingerprint()
    head, embedding = as_tensor(target.head), as_tensor(target.embedding)
    tied = head.data_ptr() == embedding.data_ptr()
    for layer in target.layers:
        for field, value in vars(layer).items():
            if field in LINEARS:
                setattr(layer, field, quantised.FORMATS[name](value.to(device)))
            elif isinstance(value, torch.Tensor):
                setattr(layer, field, value.to(device))
    target.norm = target.norm.to(device)
    target.head = head.to(device)
    target.embedding = target.head if tied else embedding.to(device)
    target.rotary.to(device)
    target.device, target.quantised = device, name


def stock_model(path: Path, dtype: torch.dtype, device: torch.device):
    """The same checkpoint as a plain transformers model, for comparisons."""
    from transformers import AutoModelForCausalLM

    folder = unpacked(path, dtype, lambda phase, share: None) if path.is_file() else path
    options: dict[str, Any] = {
        "dtype": dtype,
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
    }
    return AutoModelForCausalLM.from_pretrained(folder, config=_config(folder), **options).to(device).eval()


def _config(folder: Path):
    """A folder's config as transformers reads it, but for the attention.

    A config can name any repository of a hub for it, and where the package `kernels` is installed transformers would
    fetch and run its code.
    """
    from transformers import AutoConfig

    config = _mended(folder) or AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    config._attn_implementation = "sdpa"
    return config


def stop_tokens(tokenizer, config, generation=None) -> frozenset[int]:
    """Every token that ends a reply: as configured, and the known end-of-turn tokens of the vocabulary."""
    found: list[Any] = []
    for source in (generation, config, tokenizer):
        eos = getattr(source, "eos_token_id", None)
        found += eos if isinstance(eos, (list, tuple)) else [eos]
    # One by one: a dictionary of the whole vocabulary would be made with Python's lock held, while a window waits.
    for name in _TURN_ENDS:
        token = tokenizer.convert_tokens_to_ids(name)
        if token is not None and tokenizer.convert_ids_to_tokens(token) == name:  # else it stands for unknown words
            found.append(token)
    # What else a damaged file may hold is no token.
    return frozenset(token for token in found if type(token) is int)


def check_folder(path: Path) -> None:
    """Refuse a folder that is no complete safetensors model of a known family.

    Raises:
        ModelError: a part is missing, names files elsewhere, or the architecture is unknown.
    """
    check_config(path, ARCHITECTURES)
    weight_files(path)


def _mended(folder: Path):
    """The configuration of an early Phi-3 revision, whose long rope transformers does not know by its old name.

    It was called "su" then, and "yarn" for a while. None for every other folder: transformers reads those itself.
    """
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rope = raw.get("rope_scaling")
    if raw.get("model_type") != "phi3" or not isinstance(rope, dict):
        return None
    if rope.get("type", rope.get("rope_type")) not in ("su", "yarn"):
        return None
    from transformers import Phi3Config

    original = raw.get("original_max_position_embeddings", 4096)
    mended = rope | {"type": "longrope", "original_max_position_embeddings": original}
    mended.pop("rope_type", None)
    return Phi3Config.from_dict(raw | {"rope_scaling": mended})


def _brief(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__
