"""Passes of few rows with all that changes from round to round in tensors, so that they can be recorded.

Rows attend to a span of the cache, 256, 512, 1024 ... slots, of which those that are not theirs to
see are masked. So a recording serves many rounds, and attention costs what the text in use costs.
"""

from collections.abc import Callable, Hashable, Sequence

import torch
import torch.nn.functional as F

from s3d_core.attention import Masks, fold_attention
from s3d_core.cache import Cache
from s3d_core.graphs import Function, Graphs, Pool, Tensors
from s3d_core.layer import Update
from s3d_core.settings import MAX_TREE_SIZE

_SHORTEST = 256
# What other numbers of rows are filled up to, so that few recordings serve all trees.
_ROWS = (1, 2, 3, 5, 9, 17, 33, 1 + MAX_TREE_SIZE)
Rope = tuple[torch.Tensor, torch.Tensor]


class Steps:
    """The recorded passes of one target.

    Args:
        target: a `Target` whose weights stay where they are.
        new_pool: see `Graphs`.
    """

    def __init__(self, target, new_pool: Callable[[], Pool]):
        self._target = target
        self.graphs = Graphs(new_pool)

    def logits(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        last: int,
        cache: Cache,
        visible: torch.Tensor,
        start: int,
        layers: Sequence[int],
    ) -> torch.Tensor:
        """As `Target.step`, for at most `1 + MAX_TREE_SIZE` rows."""
        given = tokens.shape[0]
        more = next(rows for rows in _ROWS if rows >= given) - given
        if more:
            tokens, positions = F.pad(tokens, (0, more)), F.pad(positions, (0, more))
            visible = F.pad(visible, (0, more, 0, more))
            visible.diagonal().fill_(True)  # a row that sees nothing would be no number
        layers = tuple(layers)

        def function(span: int, rope: Rope) -> Function:
            def run(tokens, positions, visible, start) -> Tensors:
                x = self.run(self._target.embed(tokens), positions, start, cache, visible, span, rope, layers)
                return (self._target.logits(x),)

            return run

        at = torch.full((), start, device=tokens.device)
        return self.recorded(
            ("step", layers), cache, start + given + more, last, function, tokens, positions, visible, at
        )[0][:given]

    def recorded(
        self,
        key: Hashable,
        cache: Cache,
        slots: int,
        last: int,
        function: Callable[[int, Rope], Function],
        *inputs: torch.Tensor,
    ) -> Tensors:
        """Run a function of a span of the cache and a rope table, recorded where it was run before.

        Args:
            key: says what it does, but for span, rope and the inputs' shapes.
            slots: of the cache, those of the pass's own rows included.
            last: the largest position.
            function: makes it.
        """
        cache.reserve(slots)
        span = min(max(_SHORTEST, 1 << (slots - 1).bit_length()), cache.capacity)
        long = self._target.is_long(last)
        # The recording keeps its table, also when a larger one has taken its place.
        rope = self._target.rope_table(max(span - 1, last), long)
        shapes = tuple(t.shape for t in inputs)
        return self.graphs((key, shapes, span, long), cache.place, function(span, rope), *inputs)

    def run(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        start: torch.Tensor,
        cache: Cache,
        visible: torch.Tensor,
        span: int,
        rope: Rope,
        layers: Sequence[int],
        updates: dict[int, Update] | None = None,
    ) -> torch.Tensor:
        """As `Target.cached_pass`, with nothing but tensors changing.

        Args:
            start: int64, the first slot to write.
            span: slots that are looked at; the last row's is among them.
            rope: cosine and sine of all positions.
        """
        target = self._target
        own = start + torch.arange(x.shape[0], device=x.device)
        group = target.heads // target.kv_heads
        masks = span_masks(visible, positions, start, own, span, target.windows, group, target.activations)

        def attend(i, query, key, value):
            keys, values = cache.keys[i], cache.values[i]
            keys.index_copy_(1, own, key.transpose(0, 1))
            values.index_copy_(1, own, value.transpose(0, 1))
            return fold_attention(query, keys[:, :span], values[:, :span], masks[target.layers[i].window])

        return target.run(x, (rope[0][positions], rope[1][positions]), layers, attend, updates)


def span_masks(
    visible: torch.Tensor,
    positions: torch.Tensor,
    start: torch.Tensor,
    own: torch.Tensor,
    span: int,
    windows: Sequence[int | None],
    group: int,
    dtype: torch.dtype,
) -> Masks:
    """Additive masks `[group * rows, span]`, one per window size; see `attention.additive_masks`.

    Args:
        own: `[rows]`, the slots of the rows.
    """
    slots = torch.arange(span, device=visible.device)
    seen = (slots < start).expand(visible.shape[0], span).index_copy(1, own, visible)
    at = slots.index_copy(0, own, positions)
    masks: Masks = {}
    for window in windows:
        near = seen if window is None else seen & (at > positions[:, None] - window)
        mask = torch.zeros(near.shape, dtype=dtype, device=near.device)
        masks[window] = mask.masked_fill_(~near, torch.finfo(dtype).min).repeat(group, 1)
    return masks
