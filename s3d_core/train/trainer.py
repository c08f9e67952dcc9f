"""Training of one draft adapter: frozen base, random skip counts, resumable at any step.

Every random choice of a step (chats, anchors, skipped layers) follows from the seed and the
step's number alone, and a checkpoint holds the float32 parameters with the optimiser's moments,
so a training that was interrupted ends just as an unbroken one.
"""

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from s3d_core.adapter import Adapter
from s3d_core.draft_head import frequent_size
from s3d_core.errors import TrainingError
from s3d_core.layer import LINEARS
from s3d_core.target import Target
from s3d_core.train.corpus import frequent_tokens
from s3d_core.train.memory import anchors_at_once
from s3d_core.train.objective import SLOT_WEIGHTS, Support, Teacher, Term, coherence, loss, teach

_SAMPLED_TOKENS = 1024
STATE, PROGRESS = "state.safetensors", "progress.json"


@dataclass(frozen=True)
class TrainSettings:
    """What shapes an adapter's training.

    Attributes:
        steps: optimiser steps in all.
        slots: tokens one draft pass proposes.
        rank: rank of the low-rank updates.
        least_skipped, most_skipped: bounds of the skip counts drawn at random; counts in the
            middle are drawn more often. Layers that no count in between keeps get no update.
        blocks: anchors per step.
        learning_rate: the peak; it warms up over 50 steps, stays, and falls to zero
            over the last `decay` share of the steps.
        seed: fixes every random choice.
    """

    steps: int = 2000
    slots: int = 4
    rank: int = 48
    least_skipped: int = 6
    most_skipped: int = 18
    blocks: int = 128
    learning_rate: float = 1e-3
    decay: float = 0.3
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate at a step."""
        warm = min(1.0, (step + 1) / 50)
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.learning_rate * warm * min(1.0, left)


def settings_for(target: Target, *, rank: int | None = None, **chosen) -> TrainSettings:
    """Settings that suit a model: skip counts from a fifth to three fifths of its layers, and the
    largest rank up to 64 whose adapter, stored in two bytes a number, stays within 2% of a model
    of Phi-3's size and within 20 MB for a small one."""
    low, high = round(0.2 * target.depth), round(0.6 * target.depth)
    if rank is None:
        numbers = sum(
            sum(getattr(target.layers[i], name).shape)
            for i in _kept_by_any(target.kept_layers, low, high)
            for name in LINEARS
        )
        budget = max(19_700_000, 0.02 * target.bytes * 2 / target.dtype.itemsize)
        rank = max(1, min(64, int(budget / (2 * numbers)) // 4 * 4))
    return TrainSettings(rank=rank, least_skipped=low, most_skipped=high, **chosen)


def _kept_by_any(kept: Callable[[int], tuple[int, ...]], low: int, high: int) -> tuple[int, ...]:
    return tuple(sorted(set(kept(low)) | set(kept(high))))


def _anchors(chat: dict) -> range:
    """Where a chat's blocks may begin: from the last prompt token on, with two targets before the chat's end."""
    return range(max(1, chat["start"] - 1), len(chat["ids"]) - 2)


@dataclass(frozen=True)
class Step:
    """What one step did, for a progress line.

    Attributes:
        number: steps done so far.
        loss: mean over the step's blocks.
        skipped: the step's skip count.
        seconds: its wall time.
    """

    number: int
    loss: float
    skipped: int
    seconds: float


class Trainer:
    """Trains one adapter on token sequences and keeps its checkpoints in `folder`.

    Args:
        target: the frozen model.
        chats: rows of a corpus (see `corpus`); they must be the same after a resume.
        settings: see `TrainSettings`; `steps` and `decay` may change between resumes.
        folder: where checkpoints go; a checkpoint found there is taken up.
        keep_bytes: memory for what the frozen model said of chats, so that a chat's next turn saves that pass.

    Attributes:
        most_per_chat: anchors of one chat a step at most; all of a chat are used before another is drawn.
        slot_weights: what each slot counts in the loss.
        term: what joins the slots.

    Raises:
        TrainingError: the corpus is too small, or the checkpoint cannot be used.
    """

    most_per_chat = 1_000_000
    slot_weights: Sequence[float] = SLOT_WEIGHTS
    term: Term = staticmethod(coherence)

    def __init__(
        self, target: Target, chats: Sequence[dict], settings: TrainSettings, folder: Path, keep_bytes: int = 0
    ):
        self.target, self.settings, self.folder = target, settings, folder
        self.chats = [c for c in chats if len(c["ids"]) - c["start"] > settings.slots and _anchors(c)]
        if not self.chats:
            raise TrainingError("The corpus holds no chat long enough to train on.")
        self.keep_bytes, self._kept_bytes = keep_bytes, 0
        self._teachers: dict[int, Teacher] = {}
        layers = _kept_by_any(self.kept, settings.least_skipped, settings.most_skipped)
        self.adapter = Adapter.fresh(
            target, slots=settings.slots, rank=settings.rank, layers=layers, seed=settings.seed
        )
        frequent = frequent_tokens(self.chats, frequent_size(target.head.shape[0]))
        self.adapter.vocabulary = torch.tensor(frequent, dtype=torch.int64, device=target.device)
        self.parameters = self.adapter.tensors()
        for p in self.parameters.values():
            p.requires_grad_()
        self.moments = {
            f"{kind}.{name}": torch.zeros_like(p) for kind in ("first", "second") for name, p in self.parameters.items()
        }
        self.step = 0
        if (folder / PROGRESS).exists():
            self._restore()

    def run(self, report: Callable[[Step], bool | None]) -> None:
        """Train to the last step; `report` is called after each, and ends the run by returning True.

        Raises:
            TrainingError: the loss is no longer a number; the last checkpoint is untouched.
        """
        while self.step < self.settings.steps:
            began = time.perf_counter()
            value, skipped = self._one_step()
            self.step += 1
            if report(Step(self.step, value, skipped, time.perf_counter() - began)):
                return

    def _one_step(self) -> tuple[float, int]:
        settings = self.settings
        dice = random.Random(f"{settings.seed} {self.step}")
        low, high = settings.least_skipped, settings.most_skipped
        skipped = round(dice.triangular(low, high, (low + high) / 2))
        # The last slot is worth least, so every second step does without it.
        slots = max(1, settings.slots - dice.randrange(2))
        kept = self.kept(skipped)
        drawn, left = [], settings.blocks
        while left > 0:
            index = dice.randrange(len(self.chats))
            places = _anchors(self.chats[index])
            anchors = sorted(dice.sample(places, min(left, self.most_per_chat, len(places))))
            left -= len(anchors)
            drawn.append((index, anchors))
        support = self._support(dice, [index for index, _ in drawn])
        total, most = 0.0, anchors_at_once(self.target, slots, len(kept))
        for index, anchors in drawn:
            teacher = self.teacher(index)
            for first in range(0, len(anchors), most):
                at = torch.tensor(anchors[first : first + most], device=self.target.device)
                value = loss(self.target, self.adapter, teacher, at, kept, slots, support, self.slot_weights, self.term)
                value *= len(at) / settings.blocks
                value.backward()
                total += value.item()
        if not math.isfinite(total):
            raise TrainingError(
                f"The loss is not a number at step {self.step}; resume from the last checkpoint "
                "with a lower --learning-rate."
            )
        self._update(settings.rate(self.step))
        return total, skipped

    def _support(self, dice: random.Random, chats: list[int]) -> Support:
        """Frequent tokens, those of the step's chats, and a sample of the others."""
        certain = set(self.adapter.vocabulary.tolist()).union(*(self.chats[i]["ids"] for i in chats))
        others = [t for t in range(self.target.head.shape[0]) if t not in certain]
        sampled = dice.sample(others, min(_SAMPLED_TOKENS, len(others)))
        device = self.target.device
        return Support.of(
            self.target,
            torch.tensor(sorted(certain), device=device),
            torch.tensor(sampled, dtype=torch.int64, device=device),
        )

    def kept(self, skipped: int) -> tuple[int, ...]:
        """The layers a draft pass runs at a skip count."""
        return self.target.kept_layers(skipped)

    def teacher(self, index: int) -> Teacher:
        """What the frozen model says of a chat, from memory where there is room; alike either way."""
        if index not in self._teachers:
            teacher = teach(self.target, torch.tensor(self.chats[index]["ids"], device=self.target.device))
            teacher = teacher.kept(self.adapter.updates)
            if self._kept_bytes + teacher.bytes > self.keep_bytes:
                return teacher
            self._kept_bytes += teacher.bytes
            self._teachers[index] = teacher
        return self._teachers[index]

    @torch.no_grad()
    def _update(self, rate: float) -> None:
        """One Adam step with the gradient's norm clipped to 1."""
        grads = {k: p.grad if p.grad is not None else torch.zeros_like(p) for k, p in self.parameters.items()}
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads.values()]))
        clip = min(1.0, 1.0 / (norm.item() + 1e-6))
        t = self.step + 1
        for name, p in self.parameters.items():
            g = grads[name] * clip
            first, second = self.moments[f"first.{name}"], self.moments[f"second.{name}"]
            first.lerp_(g, 0.1)
            second.lerp_(g * g, 0.01)
            scale = rate / (1 - 0.9**t)
            p.addcdiv_(first, (second / (1 - 0.99**t)).sqrt_().add_(1e-8), value=-scale)
            p.grad = None

    def save(self) -> None:
        """Write a checkpoint; the one before stays whole until this one is complete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {k: p.detach() for k, p in self.parameters.items()} | self.moments
        staged = self.folder / (STATE + ".part")
        save_file(
            {k: t.contiguous() for k, t in tensors.items()},
            staged,
            metadata={"step": str(self.step), "fingerprint": self.target.fingerprint()},
        )
        staged.replace(self.folder / STATE)
        staged = self.folder / (PROGRESS + ".part")
        staged.write_text(json.dumps({"step": self.step} | {"settings": asdict(self.settings)}, indent=2))
        staged.replace(self.folder / PROGRESS)

    def _restore(self) -> None:
        from safetensors import safe_open

        path = self.folder / STATE
        try:
            with safe_open(path, "pt") as file:
                meta = file.metadata()
            tensors = load_file(path, device=str(self.target.device))
            if meta["fingerprint"] != self.target.fingerprint():
                raise TrainingError(f"The training in {self.folder} belongs to another model; give another --out.")
            for name, held in (self.parameters | self.moments).items():
                if tensors[name].shape != held.shape:
                    raise ValueError(f"{name} has another shape")
            with torch.no_grad():
                for name, p in self.parameters.items():
                    p.copy_(tensors[name])
            self.moments = {name: tensors[name] for name in self.moments}
            self.step = int(meta["step"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"The checkpoint in {self.folder} cannot be resumed ({error}); give another --out."
            ) from error
