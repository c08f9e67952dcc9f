"""What a verify pass says, brought to the host in one copy: the round's only one where its tree grew on the device."""

from dataclasses import dataclass

import torch

from s3d_core.device_noise import gumbel, keys
from s3d_core.grown import Grown, unpacked
from s3d_core.sampling import Sampler
from s3d_core.transfer import send
from s3d_core.tree import Tree


@dataclass
class Outcome:
    """A verify pass, on the host.

    Attributes:
        tree: what was verified.
        drawn: the target's token for the current token's row and each node's.
        verdicts: the most likely token of each, which is the same when greedy.
    """

    tree: Tree
    drawn: list[int]
    verdicts: list[int]


def outcome(tree: Tree | Grown, logits: torch.Tensor, ids: list[int], sampler: Sampler) -> Outcome:
    """Draw every row's token and bring all to the host.

    Args:
        logits: the verify pass's, `[1 + nodes, vocabulary]`.
        ids: all tokens before the one to be drawn first.
    """
    drawn = _drawn(tree, logits, ids, sampler)
    parts = [drawn, logits.argmax(dim=-1)]
    if isinstance(tree, Grown):
        parts.append(tree.packed().flatten())
    found = torch.cat(parts).cpu().numpy()
    rows = len(tree) + 1
    if isinstance(tree, Grown):
        tree = unpacked(found[2 * rows :].reshape(3, -1))
    kept = len(tree) + 1
    return Outcome(tree, found[:kept].tolist(), found[rows : rows + kept].tolist())


def _drawn(tree: Tree | Grown, logits: torch.Tensor, ids: list[int], sampler: Sampler) -> torch.Tensor:
    if sampler.greedy and not sampler.penalised:
        return sampler.draw_all(logits, None, None)
    device = logits.device
    if isinstance(tree, Grown):
        tokens, depths, visible, length = tree.tokens, tree.depths, tree.visible, tree.length
    else:
        tokens, depths = send(torch.tensor([tree.tokens, tree.depths], dtype=torch.int64), device)
        visible, length = send(tree.visible(), device), tree.depth
    noise = prefixes = None
    if not sampler.greedy:
        by_depth = send(keys(sampler.settings.seed, len(ids), length + 1), device)
        row_keys = by_depth[torch.cat([depths.new_zeros(1), depths])]
        noise = gumbel(row_keys[:, None], torch.arange(logits.shape[1], device=device))
    if sampler.penalised:
        text = send(torch.tensor(ids), device)
        current = text[-1:]
        # What a row does not see is written over with a token that is in its text anyway.
        paths = torch.where(visible, torch.cat([current, tokens]), current)
        prefixes = torch.cat([text.expand(len(paths), -1), paths], dim=1)
    return sampler.draw_all(logits, noise, prefixes)
