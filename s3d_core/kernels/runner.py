"""Runs the layers of a packed model as compiled functions."""

import ctypes
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from s3d_core.attention import Masks, additive_masks
from s3d_core.kernels import functions, jit
from s3d_core.kernels.attention import line_slots, rows_at_once
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import Kind, draft_kind
from s3d_core.kernels.skinny import Packed, most_height, tiling
from s3d_core.kernels.worker import ARGUMENTS, KV, LAYER, LINEARS, PASS, PRODUCTS, Shape
from s3d_core.merged import KIND, Drafting, Merged
from s3d_core.settings import MAX_TREE_SIZE

# Beyond, torch's attention, which reads the keys once for many rows, is the faster one; a tree is never so large,
# so that a row's result is the same in every tree.
_MOST_ROWS = 1 + MAX_TREE_SIZE
_AT = {name: i for i, name in enumerate(PASS)}
_PRODUCTS = _AT[f"{PRODUCTS[0]} product"]


def _kv(kind: Kind, head_dim: int) -> KV:
    """How keys and values are best held for weights of a kind."""
    if kind == "f32":
        return "f32"
    return "pairs" if kind != "bf16" and jit.dots_bf16() and head_dim % LANES == 0 else "bf16"


class _Stack:
    """The layers of one kind of pass, as `functions.compiled_stack` takes them.

    Args:
        lines: of each layer its function, its table and the table of the pass.
        layers: their numbers.
        windows: their attention windows.
    """

    def __init__(self, lines: list[tuple[int, int, int]], layers: Sequence[int], windows: list[int | None]):
        self._layers = layers
        # The line behind them: the next pass will most likely begin with the same layer.
        self._table = np.array([[*line, *[0] * (ARGUMENTS - 2)] for line in (*lines, lines[0])], dtype=np.int64)
        self._lines = self._table[:-1]
        kinds = dict.fromkeys(windows)
        # Mostly all layers have the same one.
        self._of = {w: slice(None) if len(kinds) == 1 else [w == other for other in windows] for w in kinds}
        self._place: object = None

    def run(self, cache, masks: Masks, threads: int) -> None:
        """Run the pass that the table of the pass describes."""
        if cache.place is not self._place:
            self._lines[:, 3:5] = [(cache.keys[i].data_ptr(), cache.values[i].data_ptr()) for i in self._layers]
            self._place = cache.place
        for window, lines in self._of.items():
            mask = masks[window]
            self._lines[lines, 5:] = (0, 0) if mask is None else (mask.data_ptr(), mask.shape[1])
        functions.compiled_stack()(self._table.ctypes.data, len(self._lines), threads)


class CompiledLayers:
    """The decoder layers of one packed `Target` as compiled functions.

    The tables that it keeps hold addresses, so the target's weights must stay as they are.
    """

    def __init__(self, target):
        layer = target.layers[0]
        self._target = target
        self._threads = torch.get_num_threads()
        self._fixed = {
            "hidden": layer.o.shape[0],
            "heads": target.heads,
            "kv_heads": target.kv_heads,
            "head_dim": target.head_dim,
            "intermediate": layer.down.shape[1],
            "eps": target.eps,
            "biased": layer.qkv_bias is not None,
            "normed_heads": layer.query_norm is not None,
            "kv": _kv(layer.o.layout.kind, target.head_dim),
        }
        self._kind: Kind = layer.o.layout.kind
        self._rotary = int(target.rope(torch.zeros(1, dtype=torch.int64), 0)[0].shape[-1])
        self._drafting: Drafting | None = None
        self._suits_drafting = False
        # How a draft pass multiplies, and the rank of what is added to its layers.
        self._draft_kind, self._rank = self._kind, 0
        # Of each layer, in a stock and in a draft pass.
        self._tables: dict[bool, dict[int, ctypes.Array]] = {False: {}, True: {}}
        self._shapes: dict[tuple[int, Kind, int], Shape] = {}
        self._stacks: dict[tuple[bool, Sequence[int]], _Stack] = {}
        self._rows = self._slots = 0
        self._buffers: dict[str, torch.Tensor] = {}
        self._logits: dict[int, torch.Tensor] = {}
        self._work, self._head = (ctypes.c_int64 * len(PASS))(), (ctypes.c_int64 * len(LAYER))()
        self._compile(self._kind, 0, most_height(self._kind))
        kind = target.head.layout.kind
        kinds = {kind, draft_kind(kind, target.head.shape[1])}
        self._heads = {k: self._shape(0, k, 0) for k in kinds}
        functions.compiled_head(self._heads[kind], target.head.shape[0])

    @property
    def kv(self) -> KV:
        """How keys and values are held."""
        return self._fixed["kv"]

    @staticmethod
    def suits(target) -> bool:
        """Whether the halves can run this model's layers."""
        layers = target.layers
        packed = all(isinstance(getattr(layer, name), Packed) for layer in layers for name in LINEARS)
        even = target.layers[0].down.shape[1] % LANES == 0
        return packed and even and all(layer.o_bias is None for layer in layers)

    def use(self, drafting: Drafting, most_rows: int = 0) -> bool:
        """Take up what an adapter drafts with and compile for it; False if it does not suit.

        Args:
            most_rows: rows of a pass that should not have to wait for compiling.
        """
        if drafting is self._drafting:
            return self._suits_drafting
        self._drafting, self._suits_drafting = drafting, True
        self._draft_kind, self._rank = KIND, 0
        if not isinstance(drafting, Merged):
            pairs = [pair for update in drafting.values() for pair in update.values()]
            ranks = {a.shape[0] for a, _ in pairs}
            self._suits_drafting = len(ranks) == 1 and all(isinstance(half, Packed) for pair in pairs for half in pair)
            self._draft_kind, self._rank = self._kind, max(ranks, default=0)
        if self._suits_drafting:
            self._rows = 0  # the scratch may be too narrow now
            self._tables[True].clear()
            self._stacks.clear()
            self._compile(self._draft_kind, self._rank, min(most_rows, most_height(self._draft_kind)))
        return self._suits_drafting

    def run(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
        layers: Sequence[int],
        cache,
        start: int,
        visible: torch.Tensor,
        is_draft: bool,
    ) -> torch.Tensor:
        """Run rows through layers and write their K/V to the cache; what `Target.run` does, sooner.

        Args:
            x: `[rows, hidden]`, float32.
            positions: `[rows]`.
            rope: cosine and sine `[rows, rotary]`.
            start: the first slot of the cache to write.
            visible: bool `[rows, rows]`.
            is_draft: with what was last given to `use`; else the stock model.

        Returns:
            `[rows, hidden]`, to be used before the next call.
        """
        rows = x.shape[0]
        end = start + rows
        kind, rank = (self._draft_kind, self._rank) if is_draft else (self._kind, 0)
        height, work = self._prepare(x, end, kind)
        cos, sin = (t.contiguous() for t in rope)
        work[_AT["cos"]], work[_AT["sin"]], work[_AT["start"]] = cos.data_ptr(), sin.data_ptr(), start
        work[_AT["head_stride"]] = cache.keys[0].stride(0) * cache.keys[0].element_size()
        masks = self._masks(positions, start, visible)
        products = functions.products(self._shape(0, kind, rank), height)
        work[_PRODUCTS : _PRODUCTS + len(products)] = products
        if rows <= _MOST_ROWS:
            self._stack(is_draft, layers).run(cache, masks, self._threads)
        else:
            self._run_halves(rows, layers, cache, end, masks, is_draft)
        return self._buffers["x"][:rows]

    def _run_halves(self, rows: int, layers: Sequence[int], cache, end: int, masks: Masks, is_draft: bool) -> None:
        target, work, threads = self._target, self._work, self._threads
        work_at = ctypes.addressof(work)
        for i in layers:
            shape, table = self._layer(i, is_draft)
            before, behind = functions.compiled_halves(shape)
            before(table, work_at, cache.keys[i].data_ptr(), cache.values[i].data_ptr(), 0, 0, threads)
            query = self._buffers["query"][: rows * target.heads].view(1, target.kv_heads, -1, target.head_dim)
            keys, values = cache.read(i, end)
            mask = masks[target.layers[i].window]
            attended = F.scaled_dot_product_attention(query, keys[None], values[None], attn_mask=mask)
            work[_AT["attended_head"]], work[_AT["attended_row"]] = 4 * attended.stride(1), 4 * attended.stride(2)
            behind(table, work_at, attended.data_ptr(), 0, 0, 0, threads)

    def logits(self, x: torch.Tensor, norm: torch.Tensor, head: Packed) -> torch.Tensor:
        """`[rows, vocabulary]` of rows before the final norm `[rows, hidden]`, to be used before the next call."""
        vocabulary = head.shape[0]
        height, work = self._prepare(x, 0, head.layout.kind)
        y, padded = self._logits.get(vocabulary), work[_AT["padded"]]
        if y is None or y.shape[0] < padded:
            y = torch.empty(padded, vocabulary)
            if x.shape[0] <= _MOST_ROWS:
                # Of as many sizes as there are trees, they would leave holes in memory that nothing else fits into.
                self._logits[vocabulary] = y
        held = self._buffers["wide"].data_ptr()
        work[_AT["wide"]] = y.data_ptr()
        self._head[LAYER.index("attention_norm")] = norm.data_ptr()
        self._head[LAYER.index("qkv")] = head.blocks.data_ptr()
        shape = self._heads[head.layout.kind]
        work[_PRODUCTS] = functions.product(shape, vocabulary, shape.hidden, height)
        run = functions.compiled_head(shape, vocabulary)
        run(ctypes.addressof(self._head), ctypes.addressof(work), 0, 0, 0, 0, self._threads)
        work[_AT["wide"]] = held
        return y[: x.shape[0]]

    def _prepare(self, x: torch.Tensor, slots: int, kind: Kind) -> tuple[int, ctypes.Array]:
        """Put rows in their place; the height of a tile for a kind of weights, and the table of the pass."""
        rows = x.shape[0]
        height, padded = tiling(rows, kind)
        self._reserve(padded, slots)
        stream = self._buffers["x"]
        if x.data_ptr() != stream.data_ptr():
            stream[:rows] = x
        stream[rows:padded] = 0.0
        self._work[_AT["rows"]], self._work[_AT["padded"]] = rows, padded
        return height, self._work

    def _masks(self, positions: torch.Tensor, start: int, visible: torch.Tensor) -> Masks:
        """Additive masks by window: of all slots where torch or a window needs them, else of the last ones."""
        target, rows = self._target, visible.shape[0]
        if rows > _MOST_ROWS or any(w is not None and w < start + rows for w in target.windows):
            group = target.heads // target.kv_heads
            return additive_masks(visible, positions, start, target.windows, group, torch.float32)
        mask = None if rows == 1 else torch.where(visible, 0.0, torch.finfo(torch.float32).min).contiguous()
        return dict.fromkeys(target.windows, mask)

    def _layer(self, i: int, is_draft: bool) -> tuple[Shape, int]:
        """What a layer is compiled for, and where its table is."""
        layer, update, kind = self._target.layers[i], None, self._kind
        drafting = self._drafting if is_draft else None
        if isinstance(drafting, Merged):
            layer, kind = drafting.layer(i), KIND
        elif drafting:
            update = drafting.get(i)
        tables = self._tables[is_draft]
        if i not in tables:
            tables[i] = self._table(layer, update)
        rotary = self._rotary if layer.rotary else 0
        return self._shape(rotary, kind, self._rank if update else 0), ctypes.addressof(tables[i])

    def _stack(self, is_draft: bool, layers: Sequence[int]) -> "_Stack":
        key = (is_draft, layers)
        if key not in self._stacks:
            lines = []
            for i in layers:
                shape, table = self._layer(i, is_draft)
                lines.append((functions.compiled_layer(shape), table, ctypes.addressof(self._work)))
            self._stacks[key] = _Stack(lines, layers, [self._target.layers[i].window for i in layers])
        return self._stacks[key]

    def _shape(self, rotary: int, kind: Kind, rank: int) -> Shape:
        key = rotary, kind, rank
        if key not in self._shapes:
            self._shapes[key] = Shape(**self._fixed, rotary=rotary, kind=kind, rank=rank)
        return self._shapes[key]

    def _compile(self, kind: Kind, rank: int, most_height: int) -> None:
        """Compile the layers now, so that no slider ever waits for it."""
        for height in range(1, most_height + 1):
            functions.products(self._shape(0, kind, rank), height)
        functions.compiled_stack()
        for rotary in {self._rotary if layer.rotary else 0 for layer in self._target.layers}:
            functions.compiled_layer(self._shape(rotary, kind, rank))

    def _table(self, layer, update) -> ctypes.Array:
        held = {name: getattr(layer, name, None) for name in LAYER}
        for name, (a, b) in (update or {}).items():
            held[name + ".a"], held[name + ".b"] = a, b
        tensors = (t.blocks if isinstance(t, Packed) else t for t in held.values())
        return (ctypes.c_int64 * len(LAYER))(*(0 if t is None else t.data_ptr() for t in tensors))

    def _reserve(self, rows: int, slots: int) -> None:
        """Room for the scratch of a pass of so many rows that see so many slots."""
        if rows > self._rows:
            shape = self._shape(0, self._kind, 0)
            widths = {
                "x": shape.hidden,
                "normed": max(shape.hidden, shape.attended),
                "low": max(self._rank, LANES),
                "wide": max(shape.projected, 2 * shape.intermediate),
                "active": shape.intermediate,
                "query": shape.attended,
            }
            self._rows = rows
            self._buffers |= {name: torch.zeros(rows, width) for name, width in widths.items()}
            self._buffers["query"] = self._buffers["query"].view(-1, shape.head_dim)
            # What drafts may be so where the stock layers are not.
            if {shape.kind, self._draft_kind, *self._heads} & {"int8", "int4"}:
                widest = max(shape.hidden, shape.attended, shape.intermediate)
                # For the most groups that there may be.
                stride = self._work[_AT["quants_stride"]] = 2 * rows * widest
                self._buffers["quants"] = torch.zeros(self._threads, stride, dtype=torch.uint8)
            for name, tensor in self._buffers.items():
                self._work[_AT[name]] = tensor.data_ptr()
        if slots > self._slots:
            self._slots = max(2 * self._slots, slots)
            lines = rows_at_once(self.kv) * self._target.heads // self._target.kv_heads
            scores = self._buffers["scores"] = torch.zeros(self._threads, lines, line_slots(self._slots))
            self._work[_AT["scores"]], self._work[_AT["score_stride"]] = scores.data_ptr(), 4 * scores.shape[2]
