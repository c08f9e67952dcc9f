"""How many bytes of weights a round reads: what decoding one text at a time is bound by."""

import torch

from s3d_core.adapter import Adapter
from s3d_core.engine import Engine
from s3d_core.layer import LINEARS, stored
from s3d_core.s3d import S3D
from s3d_core.stats import Round


class Traffic:
    """Counts the weights that an engine's rounds read.

    A pass reads each weight of its layers and its output head once; of the embedding it reads some rows, which do
    not count.
    """

    def __init__(self, engine: Engine):
        target = engine.target
        self._target = target
        self._layers = [sum(stored(getattr(layer, name)) for name in LINEARS) for layer in target.layers]
        self._head = stored(target.head)
        drafting = engine.strategies.get("s3d")
        self._drafting: list[int] | None = None
        self._draft_head = 0
        if engine.adapter is not None and isinstance(drafting, S3D):
            self._drafting = [self._of_draft(engine.adapter, i) for i in range(target.depth)]
            self._draft_head = drafting.head.bytes or self._head

    def _of_draft(self, adapter: Adapter, i: int) -> int:
        """Bytes that a layer of a draft pass reads."""
        if adapter.merged:
            return adapter.merged.bytes_read(i)
        update = adapter.updates.get(i, {})
        return self._layers[i] + sum(stored(weight) for pair in update.values() for weight in pair)

    @property
    def plain(self) -> int:
        """Bytes of a plain step."""
        return sum(self._layers) + self._head

    def of(self, done: Round) -> int:
        """Bytes that a round read, its draft included."""
        settings = done.settings
        if not done.drafted or settings.strategy not in ("s3d", "skip"):
            return self.plain
        kept = self._target.kept_layers(settings.skipped)
        if settings.strategy == "s3d" and self._drafting is not None:
            return self.plain + sum(self._drafting[i] for i in kept) + self._draft_head
        return self.plain + done.depth * (sum(self._layers[i] for i in kept) + self._head)


def parameter_bytes(model: torch.nn.Module) -> int:
    """Bytes that a transformers model reads in a pass; an embedding that is not tied to the head reads some rows."""
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight  # type: ignore[operator]
    held = {p.data_ptr(): p.numel() * p.element_size() for p in model.parameters()}
    if embedding.data_ptr() != head.data_ptr():
        held.pop(embedding.data_ptr(), None)
    return sum(held.values())
