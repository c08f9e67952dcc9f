"""A transformers checkpoint of the Llama family as layers that can be run in part.

The weights are taken over as they are (query, key and value projections of a layer joined into
one matrix, gate and up likewise, which changes no number), so that the full pass is the stock
model and the draft pass is the same layers with the middle left out. Rotary embeddings come
from transformers itself, so every rope variant it knows is right here too.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F

from s3d_core.attention import additive_masks, fold_attention, rotate
from s3d_core.cache import Cache
from s3d_core.errors import ModelError, SettingError
from s3d_core.families import ARCHITECTURES, family_names
from s3d_core.graphs import Pool
from s3d_core.kernels import jit
from s3d_core.kernels.kv import NarrowCache, PairedCache
from s3d_core.kernels.layout import Kind, fits, head_kind, usual_kind
from s3d_core.kernels.runner import CompiledLayers
from s3d_core.kernels.skinny import Packed
from s3d_core.layer import LINEARS, Layer, Linear, Update, Weight, as_tensor, held, multiply, rms_norm, take, windows_of
from s3d_core.merged import Drafting, Merged
from s3d_core.pages import Room, give_back
from s3d_core.settings import MAX_TREE_SIZE
from s3d_core.steps import Steps


class Target:
    """The stock model, row by row and layer by layer.

    Attributes:
        config: the transformers configuration.
        layers: the decoder layers, first to last.
        embedding, head: `[vocabulary, hidden]`; the same tensor where the checkpoint ties them.
        norm: the final norm's weight, `[hidden]`.
        dtype: precision of the weights.
        activations: precision of everything between them.
        rope_switch: first position from which the rope uses other frequencies for *all* positions, or None. Long-rope
            models (Phi-3 128k) have two sets; crossing makes every cached key stale.
        steps: passes of few rows that are recorded and replayed; None where they run as they are.
        quantised: what the layers' matrices are held in, of `quantised.FORMATS`; None where they are not.
    """

    steps: Steps | None = None
    quantised: str | None = None

    def __init__(self, model):
        """Take over a transformers model's weights; `model` is emptied on the way and must not be used again.

        Raises:
            ModelError: the architecture is not one of `ARCHITECTURES`.
        """
        config = model.config
        name = type(model).__name__
        if name not in ARCHITECTURES:
            raise ModelError(f"{name} models cannot be run here; these families can: {family_names()}.")
        if getattr(config, "hidden_act", "silu") != "silu":
            raise ModelError(f"A model with {config.hidden_act!r} activations cannot be run here, only 'silu'.")
        self.config = config
        self.eps = config.rms_norm_eps
        self.heads = config.num_attention_heads
        self.kv_heads = config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        body = model.model
        self.rotary = body.rotary_emb
        rope = config.rope_parameters
        self.rope_switch = rope["original_max_position_embeddings"] if rope.get("rope_type") == "longrope" else None
        self.embedding: Weight = body.embed_tokens.weight.detach()
        self.head: Weight = model.lm_head.weight.detach()
        self.norm = body.norm.weight.detach()
        windows = windows_of(config)
        rotary = [bool(x) for x in getattr(config, "no_rope_layers", None) or [1] * len(windows)]
        self.layers: list[Layer] = []
        for i, window in enumerate(windows):
            self.layers.append(take(body.layers[i], window, rotary[i]))
            body.layers[i] = torch.nn.Identity()  # frees the separate projections one layer at a time
        self.windows = sorted(set(windows), key=lambda w: w or 0)
        self._ropes: dict[bool, tuple[torch.Tensor, torch.Tensor]] = {}
        self._fingerprint: str | None = None
        self._compiled: CompiledLayers | None = None
        self.dtype = self.activations = self.norm.dtype
        self.device = self.norm.device

    @property
    def is_packed(self) -> bool:
        """Whether the weights are packed for few rows."""
        return isinstance(self.head, Packed)

    @property
    def precision(self) -> str:
        """What the weights are held in: "int8", "int4", "nf4", or a dtype's name."""
        linear = self.layers[0].o
        kind = linear.layout.kind if isinstance(linear, Packed) else ""
        return self.quantised or (kind if kind in ("int8", "int4") else str(self.dtype).removeprefix("torch."))

    @property
    def compiles(self) -> bool:
        """Whether passes run as compiled functions (see `kernels.runner`)."""
        return self._compiled is not None

    def pack(self, kind: Kind | None = None) -> bool:
        """Pack the weights for few rows where this machine can (see `kernels.skinny`), in place.

        Activations are float32 from then on, whatever the weights are. The frozen model can then
        no longer be trained on.

        Args:
            kind: how to multiply; None for what is usual with the weights' precision here.

        Returns:
            Whether it was done.
        """
        if self.is_packed:
            return True
        head, embedding = as_tensor(self.head), as_tensor(self.embedding)

        def matrices() -> Iterator[torch.Tensor]:
            yield from (as_tensor(getattr(layer, name)) for layer in self.layers for name in LINEARS)

        kind = kind or usual_kind(self.dtype)
        able = jit.dots_int8() if kind in ("int8", "int4") else jit.available()
        if not able or not fits(head, head_kind(kind)) or not all(fits(matrix, kind) for matrix in matrices()):
            return False
        self.fingerprint()
        for matrix in (embedding, *matrices()):
            give_back(matrix)  # the sample has brought in much of each
        room = Room()
        self.head = Packed(head, room, head_kind(kind))
        # One small tensor of a mapped file would keep all of it in memory, so what is not packed is copied.
        self.embedding = self.head if embedding.data_ptr() == head.data_ptr() else embedding.clone()
        for matrix in (head, embedding):
            give_back(matrix)
        del head, embedding, matrix
        self.norm = self.norm.to(torch.float32, copy=True)
        for layer in self.layers:
            for name, value in vars(layer).items():
                if name in LINEARS:
                    setattr(layer, name, Packed(value, room, kind))
                    give_back(value)
                elif isinstance(value, torch.Tensor):
                    setattr(layer, name, value.to(torch.float32, copy=True))
        self.activations = torch.float32
        self._ropes.clear()
        if CompiledLayers.suits(self):
            self._compiled = CompiledLayers(self)
        return True

    def record(self, new_pool: Callable[[], Pool]) -> None:
        """Record passes of few rows from now on (see `steps`); a cache made before cannot be used with them."""
        self.steps = Steps(self, new_pool)

    def prepare(self, drafting: Drafting, most_rows: int) -> None:
        """Compile what draft passes of up to so many rows need, where passes are compiled."""
        if self._compiled is not None:
            self._compiled.use(drafting, most_rows)

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        return len(self.layers)

    @property
    def context_limit(self) -> int:
        """Most positions the model was made for."""
        return self.config.max_position_embeddings

    @property
    def bytes(self) -> int:
        """Memory of the weights, in bytes, shared tensors counted once."""
        weights: list[Linear] = [self.embedding, self.head, self.norm]
        for layer in self.layers:
            weights += [t for t in vars(layer).values() if isinstance(t, Linear)]
        return sum({t.data_ptr(): t.nbytes for weight in weights for t in held(weight)}.values())

    def new_cache(self, most: int | None = None) -> Cache:
        """An empty cache of this model's shape; `most` are the slots that it will need, where that is known."""
        if self._compiled is not None and self._compiled.kv != "f32":
            kind = PairedCache if self._compiled.kv == "pairs" else NarrowCache
            return kind(self.depth, self.kv_heads, self.head_dim, most)
        blank = self.steps is not None
        return Cache(self.depth, self.kv_heads, self.head_dim, self.activations, self.device, most, blank)

    def most_skipped(self) -> int:
        """The largest number of layers a draft pass may leave out: two are always kept."""
        return self.depth - 2

    def kept_layers(self, skipped: int) -> tuple[int, ...]:
        """Indices of the layers a draft pass runs: the middle `skipped` are left out.

        The first ceil((L-s)/2) and the last floor((L-s)/2) of L layers stay (S3D's symmetric skip).

        Raises:
            SettingError: fewer than two layers would be left.
        """
        if not 0 <= skipped <= self.most_skipped():
            raise SettingError(
                f"skipped layers must be from 0 to {self.most_skipped()} for this model of "
                f"{self.depth} layers, not {skipped}."
            )
        kept = self.depth - skipped
        first = (kept + 1) // 2
        return tuple(range(first)) + tuple(range(self.depth - (kept - first), self.depth))

    def is_long(self, last: int) -> bool:
        """Whether a text whose last position is `last` uses the long frequencies."""
        return self.rope_switch is not None and last >= self.rope_switch

    def rope(self, positions: torch.Tensor, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosine and sine `[rows, rotary_dim]` for `positions`, given the last position of this pass."""
        cos, sin = self.rope_table(last, self.is_long(last))
        return cos[positions], sin[positions]

    def rope_table(self, last: int, long: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosine and sine `[positions, rotary_dim]` of every position up to `last`.

        Args:
            long: by a long-rope model's long frequencies; without them the table ends where they begin.
        """
        switch = self.rope_switch
        if switch is not None:
            last = max(last, switch) if long else min(last, switch - 1)
        cos, sin = self._ropes.get(long, (self.norm[:0], self.norm[:0]))
        if cos.shape[0] <= last:
            size = max(512, 2 * (last + 1))
            if switch is not None and not long:
                size = switch
            with torch.no_grad():
                like = torch.empty(0, dtype=self.activations, device=self.device)
                table = self.rotary(like, torch.arange(size, device=self.device)[None])
            cos, sin = (t[0].clone() for t in table)
            self._ropes[long] = (cos, sin)
        return cos, sin

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Token embeddings `[..., hidden]` of ids `[...]`."""
        if isinstance(self.embedding, Packed):
            return self.embedding.rows(ids)
        return F.embedding(ids, self.embedding).to(self.activations)

    def run(
        self,
        x: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
        layers: Sequence[int],
        attend,
        updates: dict[int, Update] | None = None,
    ) -> torch.Tensor:
        """Run rows through the given layers.

        Args:
            x: `[rows, hidden]`.
            rope: cosine and sine `[rows, rotary_dim]`.
            attend: `attend(layer index, query, key, value) -> [rows, heads * head_dim]`, with query
                `[rows, heads, head_dim]`, key and value `[rows, kv_heads, head_dim]`.
            updates: draft-only low-rank updates by layer index; None runs the stock model.

        Returns:
            `[rows, hidden]` before the final norm.
        """
        cos, sin = rope[0][:, None, :], rope[1][:, None, :]
        eps = self.eps
        split = self.heads + self.kv_heads
        for i in layers:
            layer = self.layers[i]
            update = updates.get(i) if updates else None
            h = rms_norm(x, layer.attention_norm, eps)
            qkv = _linear(h, layer.qkv, layer.qkv_bias, update, "qkv").unflatten(-1, (-1, self.head_dim))
            if layer.query_norm is None or layer.key_norm is None:
                qk = qkv[:, :split]
            else:
                query = rms_norm(qkv[:, : self.heads], layer.query_norm, eps)
                key = rms_norm(qkv[:, self.heads : split], layer.key_norm, eps)
                qk = torch.cat([query, key], dim=1)
            if layer.rotary:
                qk = rotate(qk, cos, sin)
            h = attend(i, qk[:, : self.heads], qk[:, self.heads :], qkv[:, split:])
            x = x + _linear(h, layer.o, layer.o_bias, update, "o")
            h = rms_norm(x, layer.mlp_norm, eps)
            gate, up = _linear(h, layer.gate_up, None, update, "gate_up").chunk(2, dim=-1)
            x = x + _linear(F.silu(gate) * up, layer.down, None, update, "down")
        return x

    def logits(self, x: torch.Tensor, norm: torch.Tensor | None = None, head: Weight | None = None) -> torch.Tensor:
        """`[rows, vocabulary]` from rows before the final norm; `norm` and `head` stand in for the model's own."""
        norm, head = self.norm if norm is None else norm, self.head if head is None else head
        if self._compiled is not None and isinstance(head, Packed):
            return self._compiled.logits(x, norm, head)
        return multiply(self.normed(x, norm), head)

    def normed(self, x: torch.Tensor, norm: torch.Tensor | None = None) -> torch.Tensor:
        """Rows after the final norm, `[rows, hidden]`."""
        return rms_norm(x, self.norm if norm is None else norm, self.eps)

    def step(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        last: int,
        cache: Cache,
        visible: torch.Tensor,
        layers: Sequence[int] | None = None,
        start: int | None = None,
    ) -> torch.Tensor:
        """Logits `[rows, vocabulary]` of the stock layers for tokens `[rows]`; see `cached_pass`."""
        if self.steps is not None and tokens.shape[0] <= 1 + MAX_TREE_SIZE:
            start = len(cache) if start is None else start
            return self.steps.logits(tokens, positions, last, cache, visible, start, layers or range(self.depth))
        return self.logits(self.cached_pass(self.embed(tokens), positions, last, cache, visible, layers, start=start))

    def cached_pass(
        self,
        x: torch.Tensor,
        positions: torch.Tensor,
        last: int,
        cache: Cache,
        visible: torch.Tensor,
        layers: Sequence[int] | None = None,
        drafting: Drafting | None = None,
        start: int | None = None,
    ) -> torch.Tensor:
        """Run rows that attend to the cache and, as `visible` says, to each other.

        The rows' K/V are left in the slots behind `start` (the committed tokens, unless given).

        Args:
            x: embedded rows `[rows, hidden]`.
            positions: `[rows]`, on the model's device.
            last: the largest position (a host number, so that no device is asked for it).
            visible: bool `[rows, rows]`, lower triangular.
            drafting: an adapter's, for a draft pass; None runs the stock model.
        """
        start = len(cache) if start is None else start
        cache.reserve(start + x.shape[0])
        rope, layers = self.rope(positions, last), layers or range(self.depth)
        if self._compiled is not None and (drafting is None or self._compiled.use(drafting)):
            return self._compiled.run(x, positions, rope, layers, cache, start, visible, drafting is not None)
        assert not isinstance(drafting, Merged), "copies of layers are for compiled passes"
        masks = additive_masks(visible, positions, start, self.windows, self.heads // self.kv_heads, self.activations)

        def attend(i, query, key, value):
            keys, values = cache.write(i, start, key.transpose(0, 1), value.transpose(0, 1))
            return fold_attention(query, keys, values, masks[self.layers[i].window])

        return self.run(x, rope, layers, attend, drafting)

    def fingerprint(self) -> str:
        """SHA-256 over the shapes and a sample of the weights, alike for every load precision.

        A draft adapter carries it, so that it is never used with weights it was not made for.
        """
        if self._fingerprint is not None:
            return self._fingerprint
        digest = hashlib.sha256()
        tensors: list[Linear] = [self.embedding, self.head, self.norm]
        for layer in self.layers:
            tensors += [layer.qkv, layer.o, layer.gate_up, layer.down]
        for t in tensors:
            flat = as_tensor(t).reshape(-1)
            sample = flat[:: max(1, flat.numel() // 509)][:509]
            digest.update(str(tuple(t.shape)).encode())
            digest.update(sample.to("cpu", torch.bfloat16).view(torch.int16).numpy().tobytes())
        self._fingerprint = digest.hexdigest()
        return self._fingerprint


def _linear(x, weight, bias, update, name):
    y = multiply(x, weight)
    if bias is not None:
        y = y + bias
    if update is not None:
        a, b = update[name]
        y = y + multiply(multiply(x, a), b)
    return y
