"""Where the checks run: the device, the shape, and the model's files, made of random weights.

What a pass takes does not depend on the weights' values, so random ones tell all about its time. Of drafts
they say nothing: hardly one is accepted.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from core.models import word_tokenizer
from core.tape import TapePool
from transformers import Phi3Config
from transformers.models.auto import AutoModelForCausalLM

from s3d_core.adapter import Adapter
from s3d_core.draft_head import frequent_size
from s3d_core.engine import Engine
from s3d_core.graphs import Pool, pools
from s3d_core.target import Target

_COMMON = {"bos_token_id": 1, "tie_word_embeddings": False, "rms_norm_eps": 1e-5}


def phi3_mini() -> Phi3Config:
    """The shape of microsoft/Phi-3-mini-4k-instruct: 3.8 billion weights."""
    return Phi3Config(
        **_COMMON,
        vocab_size=32064,
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
        max_position_embeddings=4096,
        original_max_position_embeddings=4096,
        sliding_window=2047,
        eos_token_id=32000,
        pad_token_id=32000,
    )


def tiny() -> Phi3Config:
    """The same family for a test; its numbers differ enough that greedy texts do not depend on rounding."""
    return Phi3Config(
        **_COMMON,
        vocab_size=96,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1200,
        original_max_position_embeddings=1200,
        sliding_window=24,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.25,
    )


@dataclass
class Place:
    """A device with the files of a model on it.

    Attributes:
        small: the tiny shape, for a run that shall only go through.
        config: of the model.
        home: a folder for the files.
        contexts: tokens behind which passes are timed, the least first.
        repeats: passes timed at once, and times that this is done.
        tokens: that each way of decoding writes.
    """

    device: torch.device
    small: bool
    home: Path

    def __post_init__(self):
        self.config = tiny() if self.small else phi3_mini()
        self.contexts = (200, 400, 1000) if self.small else (200, 1000, 2000, 4000)
        self.repeats = (1, 1) if self.small else (20, 7)
        self.tokens = 8 if self.small else 128
        self._engine: Engine | None = None

    @property
    def pools(self) -> Callable[[], Pool]:
        """Makes what passes are recorded in: CUDA graphs, or what stands in for them without a GPU."""
        return pools(self.device) or TapePool

    def write(self, name: str, config: Phi3Config, dtype: torch.dtype) -> Path:
        """A folder with a model of random weights, made on the device."""
        folder = self.home / name
        torch.manual_seed(0)
        with torch.device(self.device):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        model.save_pretrained(folder)
        word_tokenizer(config.vocab_size).save_pretrained(folder)
        return folder

    def load(self, folder: Path, dtype: str, adapter: Path | None = None, recorded: bool = True) -> Engine:
        """The engine as the program loads it, but that nothing ends a text early."""
        self.collect()
        recorder = self.pools if recorded else None
        engine = Engine.load(folder, dtype=dtype, device=str(self.device), adapter=adapter, recorder=recorder)
        engine.stop_ids = frozenset()
        return engine

    @property
    def folder(self) -> Path:
        """The model in bfloat16, written when it is first asked for."""
        folder = self.home / "model"
        return folder if folder.exists() else self.write("model", self.config, torch.bfloat16)

    def plain_engine(self) -> Engine:
        """The model in bfloat16 without an adapter; one for it is made on the way."""
        self.release()
        engine = self.load(self.folder, "bfloat16")
        if not (self.home / "adapter").exists():
            self.save_adapter(engine.target).rename(self.home / "adapter")
        return engine

    def engine(self) -> Engine:
        """The model in bfloat16 with an adapter, which several checks share; `release` gives it up."""
        if self._engine is None:
            self._engine = self.load(self.folder, "bfloat16", self.adapter())
        return self._engine

    def release(self) -> None:
        """Give up the shared engine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self.collect()

    def adapter(self) -> Path:
        """A draft adapter for `folder`."""
        if not (self.home / "adapter").exists():
            self.plain_engine().close()
        return self.home / "adapter"

    def save_adapter(self, target: Target) -> Path:
        """A folder with a random draft adapter of the shape that training makes for this model."""
        folder = self.home / f"adapter-{target.fingerprint()[:12]}"
        every = tuple(range(target.depth))
        rank = 4 if self.small else 32
        adapter = Adapter.fresh(target, slots=4, rank=rank, layers=every, coherence_rank=8 if self.small else 128)
        for update in adapter.updates.values():
            for _, b in update.values():
                b.normal_(std=0.02)
        adapter.child.normal_(std=0.1)
        adapter.gate.normal_(std=0.1)
        frequent = frequent_size(target.head.shape[0])
        adapter.vocabulary = torch.arange(frequent, device=target.device)
        adapter.card = {"fingerprint": target.fingerprint(), "base_model": "random weights"}
        adapter.save(folder)
        return folder

    def prompt(self, length: int) -> list[int]:
        """Some text of so many tokens."""
        return [3 + (7 * i + i * i) % (self.config.vocab_size - 3) for i in range(length)]

    def collect(self) -> None:
        """Give back the memory of what is not used any more."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
