"""Small random-weight models of the true architectures, and a tokenizer that needs no file."""

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.auto import AutoModelForCausalLM

from s3d_core.adapter import Adapter
from s3d_core.engine import Engine
from s3d_core.load import Loaded
from s3d_core.target import Target

VOCABULARY = 96
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "initializer_range": 0.25,
    "tie_word_embeddings": False,
}
# head_dim 12: long-rope factors come by pairs of it.
_LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
    "long_factor": [1.0, 2.0, 4.0, 6.0, 8.0, 12.0],
    "original_max_position_embeddings": 64,
}
CONFIGS = {
    "llama": lambda: LlamaConfig(**_SHAPE),
    "llama tied": lambda: LlamaConfig(**(_SHAPE | {"tie_word_embeddings": True})),
    "mistral window 24": lambda: MistralConfig(**_SHAPE, sliding_window=24),
    "qwen2": lambda: Qwen2Config(**_SHAPE),
    "qwen3": lambda: Qwen3Config(**_SHAPE, head_dim=16),
    "phi3 window 24": lambda: Phi3Config(**_SHAPE, sliding_window=24),
    "phi3 long rope": lambda: Phi3Config(
        **_SHAPE, original_max_position_embeddings=64, rope_parameters=dict(_LONG_ROPE)
    ),
    "phi3.5 mini": lambda: Phi3Config(
        **(_SHAPE | {"num_key_value_heads": 4}),
        sliding_window=2048,
        original_max_position_embeddings=64,
        rope_parameters=dict(_LONG_ROPE),
    ),
    "phi4 mini": lambda: Phi3Config(
        **(_SHAPE | {"hidden_size": 96, "num_attention_heads": 6, "tie_word_embeddings": True}),
        sliding_window=2048,
        original_max_position_embeddings=64,
        # 12 of the 16 numbers of a head are turned.
        rope_parameters=_LONG_ROPE | {"partial_rotary_factor": 0.75},
    ),
    "phi3 partial rotary": lambda: Phi3Config(
        **_SHAPE, rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}
    ),
}


def build(name: str, seed: int = 0, even: bool = False):
    """A transformers model of a config's shape with random float32 weights; `even`: widened to multiples of 32."""
    torch.manual_seed(seed)
    config = CONFIGS[name]()
    if even:
        config.intermediate_size = 96
        if config.hidden_size % 32:
            config.hidden_size, config.num_attention_heads = 2 * config.hidden_size, 2 * config.num_attention_heads
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def word_tokenizer(vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """One word a token: w0 w1 ... with a simple chat template."""
    words = {f"w{i} ": i for i in range(vocabulary)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="w0 "))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"w\d+ ?"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    fast.chat_template = "{% for m in messages %}w5 {{ m.content }}w6 {% endfor %}"
    return fast


def random_adapter(target: Target, slots: int = 4, seed: int = 0) -> Adapter:
    """A float32 adapter whose updates do something: acceptance is poor, exactness must hold."""
    adapter = Adapter.fresh(target, slots=slots, rank=4, layers=tuple(range(target.depth)), coherence_rank=8, seed=seed)
    dice = torch.Generator().manual_seed(seed)
    for update in adapter.updates.values():
        for _, b in update.values():
            b.copy_(torch.randn(b.shape, generator=dice) * 0.02)
    adapter.child = torch.randn(adapter.child.shape, generator=dice) * 0.1
    adapter.gate = torch.randn(adapter.gate.shape, generator=dice) * 0.1
    return adapter


def narrow_adapter(target: Target) -> Adapter:
    """A random adapter of numbers that bfloat16 holds too, as those of a file are: packed layers hold them so."""
    return random_adapter(target).to(torch.bfloat16, target.device).to(torch.float32, target.device)


def engine_for(model, slots: int = 4, packed: bool | str = False, draft=random_adapter, record=None) -> Engine:
    """An engine over a transformers model, which is emptied on the way.

    Args:
        packed: whether its weights are packed, or in which kind (see `kernels.layout`).
        draft: makes its adapter of (target, slots); None for none.
        record: makes the pools of recorded passes (see `graphs`); None for none.
    """
    target = Target(model)
    if record:
        target.record(record)
    adapter = draft and draft(target, slots)
    if packed:
        assert target.pack(packed if isinstance(packed, str) else None), (
            "packing was to be tested, but this machine cannot"
        )
    loaded = Loaded(target, word_tokenizer(), frozenset({2}), "test")
    return Engine(loaded, Path("test"), adapter and adapter.fit(target))
