"""Tiny models as files: safetensors folders, and GGUF files written by the `gguf` package."""

import math
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from core.models import build, word_tokenizer

from s3d_core.errors import ModelError
from s3d_core.load import load

_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_INNER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def save_folder(folder: Path, name: str = "llama", seed: int = 0) -> Path:
    """A model folder with weights, tokenizer and chat template."""
    build(name, seed).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def save_gguf(path: Path, seed: int = 0, name: str = "llama", kind: str = "F32") -> Path:
    """The model `build(name, seed)` as a GGUF file, laid out as llama.cpp does it.

    Matrices are F32, F16, Q8_0 or Q4_0; or made of random blocks in the K formats, which can only be read in Python.
    """
    model = build(name, seed)
    config = model.config
    is_phi = config.model_type == "phi3"
    file = gguf.GGUFWriter(str(path), config.model_type)
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_rope_freq_base(10000.0)
    head_dim = config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    file.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    if is_phi:
        file.add_sliding_window(config.sliding_window or 0)
        if rope["rope_type"] == "longrope":
            file.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
            growth = config.max_position_embeddings / config.original_max_position_embeddings
            grown = math.sqrt(1 + math.log(growth) / math.log(config.original_max_position_embeddings))
            file.add_rope_scaling_attn_factors(grown)
            for length in ("long", "short"):
                factors = np.array(rope[f"{length}_factor"], dtype=np.float32)
                file.add_tensor(f"rope_factors_{length}.weight", factors)
    else:
        file.add_vocab_size(config.vocab_size)
    _add_tokenizer(file, config, is_phi)
    turned = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
    for full, tensor in model.state_dict().items():
        short = full.removesuffix(".weight")
        if short == "lm_head" and config.tie_word_embeddings:
            continue
        if short in _OUTER:
            stored = _OUTER[short]
        else:
            _, _, layer, part = short.split(".", 3)
            stored = f"blk.{layer}.{_INNER[part]}"
            if part in turned and not is_phi:
                # llama.cpp turns neighbouring numbers, transformers the two halves of a head.
                tensor = tensor.view(turned[part], 2, -1, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        _add_tensor(file, stored + ".weight", tensor.numpy().copy(), kind)
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def _add_tokenizer(file: gguf.GGUFWriter, config, is_phi: bool) -> None:
    words = ["<unk>", "<s>", "</s>", "a", "b", "ab"]
    if is_phi:
        # Sentencepiece, as Phi-3 has it: pieces with scores, and the ends of a turn among them.
        words = [
            "<unk>",
            "<s>",
            "</s>",
            "\u2581",
            "a",
            "\u2581a",
            "<|end|>",
            "<|endoftext|>",
            "<|user|>",
            "<|assistant|>",
        ]
    special = {0: 2, 1: 3, 2: 3} | {i: 3 for i, word in enumerate(words) if word.startswith("<|")}
    file.add_tokenizer_model("llama" if is_phi else "gpt2")
    file.add_tokenizer_pre("default" if is_phi else "smollm")
    file.add_token_list([*words, *(f"t{i}" for i in range(len(words), config.vocab_size))])
    file.add_token_types([special.get(i, 1) if is_phi else 3 if i < 3 else 1 for i in range(config.vocab_size)])
    if is_phi:
        file.add_token_scores([-float(i) for i in range(config.vocab_size)])
    else:
        file.add_token_merges(["a b"])
    file.add_bos_token_id(config.bos_token_id)
    file.add_pad_token_id(config.pad_token_id)
    file.add_eos_token_id(words.index("<|endoftext|>") if is_phi else config.eos_token_id)
    file.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")


def _add_tensor(file: gguf.GGUFWriter, name: str, values: np.ndarray, kind: str) -> None:
    quantized = getattr(gguf.GGMLQuantizationType, kind)
    block, size = gguf.GGML_QUANT_SIZES[quantized]
    if kind == "F32" or values.ndim < 2 or values.shape[1] % block:
        file.add_tensor(name, values)
    elif kind.endswith("_K"):
        dice = np.random.default_rng(len(name) + values.size)
        rows = dice.integers(0, 256, (values.shape[0], values.shape[1] // block, size), dtype=np.uint8)
        # The scales of a block: two halves at the start of Q4_K and Q5_K, one at the end of Q6_K.
        scales = np.array([0.002, 0.001] if kind != "Q6_K" else [0.0005], dtype=np.float16).view(np.uint8)
        rows[..., slice(len(scales)) if kind != "Q6_K" else slice(-2, None)] = scales
        file.add_tensor(name, rows.reshape(values.shape[0], -1), raw_dtype=quantized)
    else:
        file.add_tensor(name, gguf.quants.quantize(values, quantized), raw_dtype=quantized)


def read(path, dtype=torch.float32):
    """Load a model on the processor."""
    return load(path, dtype, torch.device("cpu"), lambda phase, share: None)


def refusal(path) -> str:
    """The sentence with which a path is refused."""
    with pytest.raises(ModelError) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said
