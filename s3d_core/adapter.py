"""The draft adapter: all that training adds to a stock model, used in the draft pass only.

It holds one mask embedding per slot after the first, low-rank updates on the joined linear
layers, a draft copy of the final norm, the coherence term's three narrow matrices, the tokens
that drafts are mostly made of, and the weights by which evidence is joined. On disk it is a folder
with `adapter.safetensors` and `adapter.json`, which names the base model, the fingerprint of its
weights and how the adapter was trained.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from s3d_core.candidates import EVIDENCE, default_calibration
from s3d_core.errors import AdapterError
from s3d_core.kernels.jit import LANES
from s3d_core.kernels.layout import low_kind
from s3d_core.kernels.skinny import Packed
from s3d_core.layer import LINEARS, Update, Weight, as_tensor, stored
from s3d_core.merged import Drafting, Merged
from s3d_core.pages import Room
from s3d_core.settings import DraftSettings
from s3d_core.target import Target
from s3d_core.trust import read_json

FORMAT = "s3d-adapter"
VERSION = 3
WEIGHTS, CARD = "adapter.safetensors", "adapter.json"


@dataclass
class Adapter:
    """Draft-only parameters for one base model.

    Attributes:
        masks: `[slots - 1, hidden]`, embeddings of the mask tokens m_1 ... m_(slots-1).
        norm: `[hidden]`, the draft pass's final norm.
        parent, gate, child: `[hidden, coherence rank]`, see `coherence`.
        calibration: `[slots + 1, candidates.EVIDENCE]` float32, see `candidates`.
        updates: low-rank updates by layer index, see `layer.Update`.
        vocabulary: `[n]` int64, the tokens frequent enough to be drafted anywhere (see `draft_head`);
            empty for all tokens.
        card: what `adapter.json` says.
        room: where its packed weights lie, None where they are not packed: what else drafting packs fits in behind.
        merged: the layers that run in place of the stock ones with `updates` beside them, where there are any; the
            updates are then those of the file, mapped, and take no memory.
        ends: `[hidden, 2 * coherence rank]`, what `parent` and `child` are the halves of, where they are.
    """

    masks: torch.Tensor
    norm: torch.Tensor
    parent: torch.Tensor
    gate: torch.Tensor
    child: torch.Tensor
    updates: dict[int, Update]
    vocabulary: torch.Tensor
    calibration: torch.Tensor
    card: dict
    room: Room | None = None
    merged: Merged | None = None
    ends: torch.Tensor | None = None

    @property
    def drafting(self) -> Drafting:
        """What `Target.cached_pass` takes for a draft pass."""
        return self.merged or self.updates

    @property
    def slots(self) -> int:
        """Most tokens one draft pass can propose."""
        return self.masks.shape[0] + 1

    @property
    def bytes(self) -> int:
        """Memory of the parameters, in bytes."""
        weights: list[Weight] = [self.masks, self.norm, self.parent, self.gate, self.child, self.vocabulary]
        if self.merged is None:
            weights += [weight for update in self.updates.values() for pair in update.values() for weight in pair]
        return sum(map(stored, weights)) + (self.merged.bytes if self.merged else 0)

    @classmethod
    def fresh(
        cls, target: Target, *, slots: int, rank: int, layers: tuple[int, ...], coherence_rank: int = 128, seed: int = 0
    ) -> "Adapter":
        """An untrained float32 adapter: its draft pass starts as the bare kept layers."""
        random = torch.Generator().manual_seed(seed)
        hidden = target.embedding.shape[1]
        device = target.device

        def normal(*shape, scale):
            return (torch.randn(*shape, generator=random) * scale).to(device)

        embedding = as_tensor(target.embedding).float()
        mean, spread = embedding.mean(0), embedding.std().item()
        updates: dict[int, Update] = {}
        for i in layers:
            layer = target.layers[i]
            updates[i] = {}
            for name in LINEARS:
                out, into = getattr(layer, name).shape
                updates[i][name] = (
                    normal(rank, into, scale=into**-0.5),
                    torch.zeros(out, rank, device=device),
                )
        return cls(
            masks=mean + normal(slots - 1, hidden, scale=spread),
            norm=target.norm.float().clone(),
            parent=normal(hidden, coherence_rank, scale=hidden**-0.5),
            gate=torch.zeros(hidden, coherence_rank, device=device),
            child=torch.zeros(hidden, coherence_rank, device=device),
            updates=updates,
            vocabulary=torch.zeros(0, dtype=torch.int64, device=device),
            calibration=torch.from_numpy(default_calibration(slots)),
            card={},
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every trained parameter by the name it has in the file."""
        named: dict[str, torch.Tensor] = {
            "masks": self.masks,
            "norm": self.norm,
            "coherence.parent": self.parent,
            "coherence.gate": self.gate,
            "coherence.child": self.child,
        }
        for i, update in self.updates.items():
            for name, (a, b) in update.items():
                named[f"layers.{i}.{name}.a"] = as_tensor(a)
                named[f"layers.{i}.{name}.b"] = as_tensor(b)
        return named

    def to(self, dtype: torch.dtype, device: torch.device) -> "Adapter":
        """The same adapter in another precision or place."""

        def move(weight: Weight) -> torch.Tensor:
            return as_tensor(weight).detach().to(device, dtype).contiguous()

        updates: dict[int, Update] = {
            i: {name: (move(a), move(b)) for name, (a, b) in update.items()} for i, update in self.updates.items()
        }
        masks, norm, parent, gate, child = map(move, (self.masks, self.norm, self.parent, self.gate, self.child))
        vocabulary = self.vocabulary.to(device)
        return Adapter(masks, norm, parent, gate, child, updates, vocabulary, self.calibration, self.card)

    def fit(self, target: Target, merges: bool = True) -> "Adapter":
        """The same adapter as `target` runs it: in its place, its precisions, and packed if it is.

        Args:
            merges: it may be merged into copies of the layers (see `merged`).
        """
        if not isinstance(target.head, Packed):
            return self.to(target.activations, target.device)
        room, kind = Room(), low_kind(target.head.layout.kind)
        merged = Merged(target.layers, self.updates, room) if merges and Merged.suits(target) else None

        def pack(a: Weight, b: Weight) -> tuple[Weight, Weight]:
            one, other = (as_tensor(weight).detach().to(target.device, torch.bfloat16) for weight in (a, b))
            # Whole blocks of ranks: the rows and columns added are zero.
            short = -one.shape[0] % LANES
            return Packed(F.pad(one, (0, 0, 0, short)), room, kind), Packed(F.pad(other, (0, short)), room, kind)

        updates = self.updates
        if merged is None:
            # Pair by pair: all of them in the activations' float32 would be twice as large as what is kept.
            updates = {i: {name: pack(*pair) for name, pair in update.items()} for i, update in updates.items()}
        rest = replace(self, updates={})
        fitted, narrow = rest.to(target.activations, target.device), rest.to(torch.bfloat16, target.device)
        # These are multiplied only for tokens that were not seen lately, so they can be widened then.
        ends = torch.cat([narrow.parent, narrow.child], dim=1)
        parent, child = ends.chunk(2, dim=1)
        return replace(fitted, updates=updates, parent=parent, child=child, ends=ends, room=room, merged=merged)

    def save(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        """Write the adapter; one that is there already stays until both files are written, and is then replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {"format": FORMAT, "version": VERSION} | self.card | {"slots": self.slots}
        tensors = {k: t.detach().to("cpu", dtype).contiguous() for k, t in self.tensors().items()}
        tensors["calibration"] = self.calibration.float().cpu().contiguous()
        tensors["vocabulary"] = self.vocabulary.to("cpu", torch.int32)
        staged = {name: folder / (name + ".part") for name in (WEIGHTS, CARD)}
        save_file(tensors, staged[WEIGHTS], metadata={"card": json.dumps(card)})
        staged[CARD].write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        for name, file in staged.items():
            file.replace(folder / name)

    @classmethod
    def load(cls, folder: Path, target: Target) -> "Adapter":
        """Read an adapter for `target`, in its precision and place.

        Raises:
            AdapterError: it is missing, damaged, or was made for other weights.
        """
        card = read_card(folder)
        if card.get("fingerprint") != target.fingerprint():
            raise AdapterError(
                f"The draft adapter in {folder} was trained for {str(card.get('base_model', 'another model'))[:100]}, "
                "not for the weights that are loaded; train one with `s3d train`."
            )
        try:
            tensors = load_file(folder / WEIGHTS)
            updates: dict[int, Update] = {}
            for key in tensors:
                if key.startswith("layers.") and key.endswith(".a"):
                    _, i, name, _ = key.split(".")
                    updates.setdefault(int(i), {})[name] = (tensors[key], tensors[key[:-1] + "b"])
            # Copied, as the file stays mapped, all of it, for as long as one of its tensors is in use.
            adapter = cls(
                masks=tensors["masks"].clone(),
                norm=tensors["norm"].clone(),
                parent=tensors["coherence.parent"].clone(),
                gate=tensors["coherence.gate"].clone(),
                child=tensors["coherence.child"].clone(),
                updates=updates,
                vocabulary=tensors.get("vocabulary", torch.zeros(0)).to(torch.int64),
                calibration=tensors["calibration"].float().clone(),
                card=card,
            )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise AdapterError(
                f"The draft adapter in {folder} is damaged ({error}); fetch or train it again."
            ) from error
        adapter._check_shapes(target, folder)
        _check_skips(card, target, folder)
        return adapter.fit(target)

    def _check_shapes(self, target: Target, folder: Path) -> None:
        if self.masks.dim() != 2 or self.parent.dim() != 2:
            raise AdapterError(f"The draft adapter in {folder} does not have the model's shapes; train it again.")
        hidden = target.embedding.shape[1]
        fits = self.masks.shape[1] == hidden and self.norm.shape == (hidden,)
        if self.vocabulary.numel():
            fits &= self.vocabulary.dim() == 1 and int(self.vocabulary.min()) >= 0
            fits &= int(self.vocabulary.max()) < target.head.shape[0]
        fits &= self.parent.shape == self.gate.shape == self.child.shape == (hidden, *self.parent.shape[-1:])
        fits &= self.calibration.shape == (self.slots + 1, EVIDENCE)
        for i, update in self.updates.items():
            fits &= 0 <= i < target.depth and set(update) == set(LINEARS)
            if fits:
                for name, (a, b) in update.items():
                    out, into = getattr(target.layers[i], name).shape
                    fits &= len(a.shape) == 2 and a.shape == (a.shape[0], into) and b.shape == (out, a.shape[0])
        if not fits:
            raise AdapterError(f"The draft adapter in {folder} does not have the model's shapes; train it again.")


def _check_skips(card: dict, target: Target, folder: Path) -> None:
    """The card's counts of skipped layers: what Auto chooses from must be there to be skipped."""
    try:
        accepted = {int(skipped): float(tokens) for skipped, tokens in card.get("accepted_by_skipped", {}).items()}
        for skipped in (*accepted, card.get("defaults", {}).get("skipped", 0)):
            target.kept_layers(skipped)
        fits = all(map(math.isfinite, accepted.values()))
    except (AttributeError, TypeError, ValueError):
        fits = False
    if not fits:
        raise AdapterError(f"The draft adapter's card {folder / CARD} does not fit the model; fetch or train it again.")


def read_card(folder: Path) -> dict:
    """What an adapter folder says of itself.

    Raises:
        AdapterError: there is no adapter, or its card cannot be read.
    """
    try:
        card = read_json(folder / CARD)
    except OSError as error:
        raise AdapterError(f"There is no draft adapter in {folder}.") from error
    except ValueError as error:
        raise AdapterError(f"The draft adapter's card {folder / CARD} is damaged; fetch or train it again.") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise AdapterError(f"{folder / CARD} is not the card of a draft adapter.")
    if card.get("version") != VERSION:
        raise AdapterError(
            f"The draft adapter in {folder} has format {str(card.get('version'))[:20]}; this program reads {VERSION}."
        )
    try:
        DraftSettings(**card.get("defaults", {}))
    except (TypeError, ValueError) as error:
        raise AdapterError(f"The draft adapter's card {folder / CARD} has settings that cannot be used.") from error
    return card
