"""Ablations: what each choice of the training is worth, all arms alike but for one.

    python -m s3d_core.train.ablate --model PATH --corpus corpus.jsonl --held-out other.jsonl --out FOLDER

Each arm begins at the same seed, sees the same corpus and does the same number of steps; the stock model's
passes are made once and shared. It is measured on held-out chats (see `proxy`), and its difference from the
base arm is given with a bootstrap interval over the chats. Done arms are kept in FOLDER and not done again.
Small budgets rank small differences badly: a table says at which budget it was made.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from s3d_core import load as loading
from s3d_core.adapter import Adapter
from s3d_core.draft_head import frequent_size
from s3d_core.target import Target
from s3d_core.train.corpus import frequent_tokens
from s3d_core.train.objective import SLOT_WEIGHTS, Teacher, teach
from s3d_core.train.proxy import Exam, accepted, exams
from s3d_core.train.recipe import read_corpus
from s3d_core.train.trainer import Trainer, TrainSettings

_ATTENTION, _MLP = ("qkv", "o"), ("gate_up", "down")
_TREE, _RESAMPLES = 16, 2000


@dataclass(frozen=True)
class Arm:
    """One training, as it differs from the base arm.

    Attributes:
        title: what it says in the table.
        settings: changed `TrainSettings`.
        linears: the linear layers that are updated.
        shared_mask: one mask embedding for all slots.
        slot_weights: what each slot counts in the loss.
        hard: learn the model's first choice instead of its distribution.
        most_per_chat: anchors of one chat a step.
        chats: which of the corpus it sees.
        shift: layers by which the skip lies later than the middle.
        skips: counts it is measured at.
        against: the arm its differences are taken from.
        continued: begins at the adapter given with --from instead of an untrained one.
        join: such a term between the slots is trained anew, and nothing else; None for all that an adapter holds.
    """

    title: str
    settings: dict = field(default_factory=dict)
    linears: tuple[str, ...] = (*_ATTENTION, *_MLP)
    shared_mask: bool = False
    slot_weights: tuple[float, ...] = SLOT_WEIGHTS
    hard: bool = False
    most_per_chat: int = 1_000_000
    chats: Callable[[list[dict]], list[dict]] = lambda chats: chats
    shift: int = 0
    skips: tuple[int, ...] = (12,)
    against: str = "base"
    continued: bool = False
    join: Literal["coherence", "sampler"] | None = None


class SamplerHead(torch.nn.Module):
    """A perceptron of two layers sees a slot's draft row and its parent, and what it finds is added to the row.

    Kin: the sampler of arXiv:2507.11851. The model's own head makes logits of it.
    """

    def __init__(self, hidden: int):
        super().__init__()
        self.first, self.second = torch.nn.Linear(2 * hidden, hidden), torch.nn.Linear(hidden, hidden)
        self.norm = torch.nn.LayerNorm(hidden)
        torch.nn.init.zeros_(self.second.weight)
        torch.nn.init.zeros_(self.second.bias)

    def forward(self, adapter, rows, parents, children, heads):
        """As `objective.Term` has it."""
        seen = torch.cat([parents, rows[..., None, :].expand_as(parents)], dim=-1)
        return self.second(self.norm(torch.nn.functional.silu(self.first(seen)))) @ heads().transpose(-1, -2)


def _only(origin: str) -> Callable[[list[dict]], list[dict]]:
    """As many chats of one origin as there are of the rarer one."""

    def choose(chats: list[dict]) -> list[dict]:
        count = min(sum(chat["from"] == kind for chat in chats) for kind in ("given", "self"))
        return [chat for chat in chats if chat["from"] == origin][:count]

    return choose


def _at(skipped: int) -> dict:
    return {"least_skipped": skipped, "most_skipped": skipped}


# The most useful first.
ARMS = {
    "shared-on": Arm("shipped adapter, on at random counts", {"learning_rate": 3e-4}, skips=(6, 18), continued=True),
    "only-6": Arm(
        "shipped adapter, on at 6", _at(6) | {"learning_rate": 3e-4}, skips=(6,), against="shared-on", continued=True
    ),
    "only-18": Arm(
        "shipped adapter, on at 18", _at(18) | {"learning_rate": 3e-4}, skips=(18,), against="shared-on", continued=True
    ),
    "base": Arm("base", skips=(6, 12, 18)),
    "rank-16": Arm("rank 16", {"rank": 16}),
    "attention": Arm("attention only", linears=_ATTENTION),
    "mlp": Arm("MLP only", linears=_MLP),
    "hard": Arm("hard targets", hard=True),
    "given": Arm("given prompts only", chats=_only("given")),
    "self": Arm("self-written prompts only", chats=_only("self"), against="given"),
    "flat": Arm("all slots weigh 1", slot_weights=(1.0,) * 8),
    "shared-mask": Arm("one mask for all slots", shared_mask=True),
    "spread": Arm("at most 16 anchors a chat", most_per_chat=16),
    "shifted-later": Arm("skip 3 layers later", shift=3),
    "shifted-earlier": Arm("skip 3 layers earlier", shift=-3),
    "five": Arm("five slots", {"slots": 5}),
    "only-12": Arm("trained at 12 alone", _at(12)),
    "new-18": Arm("trained at 18 alone", _at(18), skips=(18,)),
    "new-6": Arm("trained at 6 alone", _at(6), skips=(6,)),
    "rank-96": Arm("rank 96", {"rank": 96}),
    "quarter": Arm("a quarter of the corpus", chats=lambda chats: chats[: len(chats) // 4]),
    "steep": Arm("slots weigh 1, 0.5, 0.25, 0.12", slot_weights=(1.0, 0.5, 0.25, 0.12, 0.06)),
    "coherence": Arm("shipped adapter, its coherence term anew", continued=True, join="coherence"),
    "sampler": Arm("shipped adapter, a sampler head in its place", continued=True, join="sampler", against="coherence"),
    "few-anchors": Arm("half the anchors, twice the steps", {"blocks": 0.5, "steps": 2}),
    "many-anchors": Arm("twice the anchors, half the steps", {"blocks": 2, "steps": 0.5}),
}


class ArmTrainer(Trainer):
    """A trainer with an arm's ways; the stock model's passes are shared through `passes`."""

    def __init__(self, arm: Arm, target, chats, settings, passes: dict, vocabulary, begin: Adapter | None):
        self.arm, self._passes = arm, passes
        self.most_per_chat, self.slot_weights = arm.most_per_chat, arm.slot_weights
        super().__init__(target, arm.chats(list(chats)), settings, Path("nowhere"))
        self.adapter.vocabulary = vocabulary
        with torch.no_grad():
            if begin is not None:
                self.adapter.vocabulary, self.adapter.calibration = begin.vocabulary, begin.calibration
                known = begin.to(torch.float32, target.device).tensors()
                # An arm of one skip count keeps fewer layers than the adapter was made for.
                for name, parameter in self.parameters.items():
                    if arm.join is None or not name.startswith("coherence."):
                        parameter.copy_(known[name])
            if arm.shared_mask:
                self.adapter.masks[1:] = self.adapter.masks[:1]
        if arm.shared_mask:
            self.adapter.masks.register_hook(lambda grad: grad.sum(0, keepdim=True).expand_as(grad))
        for name, parameter in self.parameters.items():
            other = name.startswith("layers.") and name.split(".")[2] not in arm.linears
            if other or (arm.join is not None and not name.startswith("coherence.")):
                parameter.requires_grad_(False)
        if arm.join == "sampler":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(settings.seed)
                self.term = SamplerHead(target.embedding.shape[1]).to(target.device)
            for name, parameter in self.term.named_parameters():
                self.parameters[f"sampler.{name}"] = parameter
                for kind in ("first", "second"):
                    self.moments[f"{kind}.sampler.{name}"] = torch.zeros_like(parameter)

    def kept(self, skipped: int) -> tuple[int, ...]:
        kept = self.target.kept_layers(skipped)
        first, gone = (len(kept) + 1) // 2 + self.arm.shift, self.target.depth - len(kept)
        return tuple(i for i in range(self.target.depth) if not first <= i < first + gone)

    def teacher(self, index: int) -> Teacher:
        key = tuple(self.chats[index]["ids"])
        if key not in self._passes:
            known = teach(self.target, torch.tensor(key, device=self.target.device))
            self._passes[key] = known.kept(range(self.target.depth))
        known = self._passes[key]
        # So much sharper, its distributions are its first choices.
        return replace(known, hidden=1000 * known.hidden) if self.arm.hard else known


def settings_of(arm: Arm, steps: int, blocks: int, seed: int) -> TrainSettings:
    """An arm's settings at a budget; its steps and blocks are factors of the budget's."""
    chosen = {"rank": 48, "seed": seed} | arm.settings
    chosen["steps"] = round(steps * chosen.get("steps", 1))
    chosen["blocks"] = round(blocks * chosen.get("blocks", 1))
    return TrainSettings(**chosen)


def measure(trainer: ArmTrainer, found: Sequence[Exam], skips: Sequence[int]) -> dict:
    """Accepted tokens of every exam, in a tree and in a chain, by skip count."""
    result: dict[str, dict] = {}
    for skipped in skips:
        tree, chain = accepted(trainer.target, trainer.adapter, found, trainer.kept(skipped), (_TREE, 1), trainer.term)
        result[str(skipped)] = {"tree": tree, "chain": chain}
    return result


def run(
    name: str,
    target: Target,
    chats: list[dict],
    found: Sequence[Exam],
    passes: dict,
    budget: tuple[int, int, int],
    begin: Adapter | None,
    curve: int = 0,
) -> dict:
    """Train and measure one arm.

    Args:
        budget: steps, blocks and seed.
        curve: steps between two measurements on the way; 0 for none.

    Returns:
        What goes into the arm's file: settings, processor seconds of the training, and accepted tokens.
    """
    arm = ARMS[name]
    frequent = frequent_tokens(chats, frequent_size(target.head.shape[0]))
    vocabulary = torch.tensor(frequent, dtype=torch.int64, device=target.device)
    settings = settings_of(arm, *budget)
    trainer = ArmTrainer(arm, target, chats, settings, passes, vocabulary, begin if arm.continued else None)
    for index in range(len(trainer.chats)):
        trainer.teacher(index)  # before the clock starts
    on_the_way: dict[int, dict] = {}
    spent, began = 0.0, time.process_time()

    def after(step) -> None:
        nonlocal spent, began
        if curve and step.number % curve == 0 and step.number < settings.steps:
            spent += time.process_time() - began
            on_the_way[step.number] = measure(trainer, found, arm.skips[:1])
            began = time.process_time()
        if sys.stderr.isatty():
            print(f"\r{name}: step {step.number}/{settings.steps}, loss {step.loss:.2f} ", end="", file=sys.stderr)

    trainer.run(after)
    spent += time.process_time() - began
    return {
        "title": arm.title,
        "settings": asdict(settings),
        "chats": len(trainer.chats),
        "seconds": round(spent, 3),
        "accepted": measure(trainer, found, arm.skips),
        "on_the_way": on_the_way,
    }


def compare(arm: dict, base: dict | None, skipped: str, kind: str) -> tuple[float, tuple[float, float] | None]:
    """Tokens per round, and the 90% interval of the ratio to `base` over resampled chats."""
    own = arm["accepted"][skipped][kind]
    rate = 1 + float(np.concatenate(own).mean())
    if base is None:
        return rate, None
    other = base["accepted"][skipped][kind]
    sums = np.array([[len(a) + sum(a), len(b) + sum(b)] for a, b in zip(own, other, strict=True)], dtype=float)
    dice = np.random.default_rng(0)
    drawn = sums[dice.integers(0, len(sums), (_RESAMPLES, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.05, 0.95])
    return rate, (float(low), float(high))


def table(results: dict[str, dict]) -> str:
    """Markdown: tokens per round with a tree and as a chain, against the arm that each is compared with."""
    lines = [
        f"| arm | skipped | tree of {_TREE} | chain | tree, over its base (90%) | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        against = ARMS[name].against
        base = results.get(against) if against != name else None
        for skipped in result["accepted"]:
            usable = base if base and skipped in base["accepted"] else None
            tree, interval = compare(result, usable, skipped, "tree")
            chain, _ = compare(result, None, skipped, "chain")
            over = f"{interval[0]:.3f}-{interval[1]:.3f} ({against})" if interval else ""
            lines.append(
                f"| {result['title']} | {skipped} | {tree:.2f} | {chain:.2f} | {over} | {result['seconds']:.0f} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the arms that are not done yet, then print the table."""
    parser = argparse.ArgumentParser(prog="python -m s3d_core.train.ablate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="chats to train on, as `s3d train` writes them")
    parser.add_argument("--held-out", type=Path, required=True, help="chats to measure on")
    parser.add_argument("--out", type=Path, required=True, help="a folder for the results")
    parser.add_argument("--from", type=Path, dest="begin", help="an adapter that some arms go on from")
    parser.add_argument("--arms", default="", help=f"of {', '.join(ARMS)}; default: all")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--blocks", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exams", type=int, default=32, help="held-out chats")
    parser.add_argument("--places", type=int, default=24, help="places asked about in each")
    parser.add_argument("--curve", type=int, default=0, help="steps between two measurements on the way")
    args = parser.parse_args(arguments)
    names = args.arms.split(",") if args.arms else list(ARMS)
    if unknown := [name for name in names if name not in ARMS]:
        parser.error(f"no such arm: {', '.join(unknown)}")
    device = loading.pick_device("auto")
    target = loading.load(args.model, torch.float32, device, lambda phase, share: None).target
    chats = read_corpus(args.corpus)
    found = exams(target, read_corpus(args.held_out), args.exams, args.places)
    begin = Adapter.load(args.begin, target) if args.begin else None
    args.out.mkdir(parents=True, exist_ok=True)
    passes: dict = {}
    results = {}
    for name in names:
        path = args.out / f"{name}.json"
        if not path.exists():
            if ARMS[name].continued and begin is None:
                print(f"{name} is left out: it needs --from.", file=sys.stderr)
                continue
            budget = (args.steps, args.blocks, args.seed)
            done = run(name, target, chats, found, passes, budget, begin, args.curve)
            path.write_text(json.dumps(done), encoding="utf-8")
        results[name] = json.loads(path.read_text(encoding="utf-8"))
        print(table(results).splitlines()[-1], flush=True)
    print(f"\n{table(results)}")


if __name__ == "__main__":
    main()
