"""Calibration: the weights that make the path probabilities of a draft tree right (see `candidates`).

Replies are written, greedily and sampled, and at every draft pass, for every depth, the evidence is taken down for
the true path so far together with the token that truly came next. The weights of a slot are those under which
these tokens are most likely: a small convex problem.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import torch

from s3d_core.candidates import EVIDENCE, NO_TOKEN, Candidates, default_calibration
from s3d_core.decode import Limits, prefill, rounds
from s3d_core.draft import Plain
from s3d_core.s3d import S3D
from s3d_core.sampling import Sampler
from s3d_core.settings import MAX_DRAFT_LENGTH, DraftSettings, SamplingSettings
from s3d_core.target import Target
from s3d_core.text import TextStream

# One depth's evidence `[tokens, EVIDENCE]` and the place of the token that came.
Example = tuple[np.ndarray, int]
_FEWEST = 50
# Keeps weights that little is known of near the default ones.
_RIDGE = 1.0


def gather(
    target: Target,
    strategy: S3D,
    tokenizer,
    prompts: Sequence[list[int]],
    limits: Limits,
    draft: DraftSettings,
    temperatures: Sequence[float],
    max_tokens: int,
    report: Callable[[int], None] | None = None,
) -> list[list[Example]]:
    """Examples by depth, up to `MAX_DRAFT_LENGTH`, from replies to prompts (token ids), one at each temperature."""
    examples: list[list[Example]] = [[] for _ in range(MAX_DRAFT_LENGTH)]

    def write(strategy, text: list[int], sampling: SamplingSettings) -> list[int]:
        cache = target.new_cache()
        prefill(target, cache, text)
        known = {draft.strategy: strategy}
        for _ in rounds(target, cache, text, known, lambda: draft, Sampler(sampling), TextStream(tokenizer), limits):
            pass
        return text

    for number, (prompt, temperature) in enumerate(product(prompts, temperatures)):
        sampling = SamplingSettings(temperature=temperature, seed=number, max_tokens=max_tokens)
        truth = write(Plain(), list(prompt), sampling)
        text = list(prompt)

        def watch(found: Candidates, text=text, truth=truth) -> None:
            at = len(text)
            for depth, token in enumerate(truth[at : at + MAX_DRAFT_LENGTH]):
                tokens, evidence = found.evidence(tuple(truth[at : at + depth]))
                examples[depth].append((evidence, tokens.index(token) if token in tokens else tokens.index(NO_TOKEN)))

        strategy.watch = watch
        write(strategy, text, sampling)
        if report:
            report(number + 1)
    strategy.watch = None
    return examples


def fit(examples: list[list[Example]], slots: int) -> np.ndarray:
    """Weights `[slots + 1, EVIDENCE]`; a row with too few examples keeps the default ones."""
    weights = default_calibration(slots)
    behind = [example for depth in examples[slots:] for example in depth]
    for row, found in enumerate([*examples[:slots], behind]):
        if len(found) >= _FEWEST:
            weights[row] = _fit(found, weights[row])
    return weights


def _fit(found: list[Example], start: np.ndarray) -> np.ndarray:
    widest = max(len(evidence) for evidence, _ in found)
    table = torch.zeros(len(found), widest, EVIDENCE, dtype=torch.float64)
    absent = torch.ones(len(found), widest, dtype=torch.bool)
    for i, (evidence, _) in enumerate(found):
        table[i, : len(evidence)] = torch.from_numpy(evidence)
        absent[i, : len(evidence)] = False
    came = torch.tensor([place for _, place in found])
    begin = torch.from_numpy(start).double()
    weights = begin.clone().requires_grad_()
    search = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        search.zero_grad()
        scores = (table @ weights).masked_fill(absent, float("-inf"))
        value = torch.nn.functional.cross_entropy(scores, came, reduction="sum")
        value = (value + _RIDGE * (weights - begin).square().sum()) / len(found)
        value.backward()
        return value

    with torch.enable_grad():
        search.step(cost)
    return weights.detach().float().numpy()
