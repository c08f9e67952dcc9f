"""Tiny models as files: safetensors folders, and GGUF files written by the `gguf` package."""

from pathlib import Path

import gguf
from core.models import VOCABULARY, build, word_tokenizer

_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_INNER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def save_folder(folder: Path, name: str = "llama", seed: int = 0) -> Path:
    """A model folder with weights, tokenizer and chat template."""
    build(name, seed).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


def save_gguf(path: Path, seed: int = 0) -> Path:
    """The model `build("llama", seed)` as a GGUF file, laid out as llama.cpp does it."""
    model = build("llama", seed)
    config = model.config
    file = gguf.GGUFWriter(str(path), "llama")
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_block_count(config.num_hidden_layers)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_rope_freq_base(10000.0)
    file.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    file.add_vocab_size(config.vocab_size)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("smollm")
    file.add_token_list(["<unk>", "<s>", "</s>", "a", "b", "ab", *(f"t{i}" for i in range(6, VOCABULARY))])
    file.add_token_types([3] * 3 + [1] * (VOCABULARY - 3))
    file.add_token_merges(["a b"])
    file.add_bos_token_id(config.bos_token_id)
    file.add_eos_token_id(config.eos_token_id)
    file.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    turned = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        short = name.removesuffix(".weight")
        if short in _OUTER:
            stored = _OUTER[short]
        else:
            _, _, layer, part = short.split(".", 3)
            stored = f"blk.{layer}.{_INNER[part]}"
            if part in turned:
                # llama.cpp turns neighbouring numbers, transformers the two halves of a head.
                tensor = tensor.view(turned[part], 2, -1, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        file.add_tensor(stored + ".weight", tensor.numpy().copy())
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path
