"""Tokens per round foreseen without decoding: does the draft hold what the model wrote next?

At fixed places of chats that the model wrote greedily, a draft pass is run and its tree built; the round
would have emitted the true tokens that the tree holds and one more. All adapters are measured at the same
places, so that differences are clearer than in real decoding; what is recalled of the text is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from s3d_core.adapter import Adapter
from s3d_core.candidates import Candidates
from s3d_core.draft_head import rows_of
from s3d_core.garden import TOP_K
from s3d_core.layer import as_tensor
from s3d_core.recall import Recall
from s3d_core.target import Target
from s3d_core.train.objective import Teacher, Term, coherence, draft_rows, teach
from s3d_core.tree import Tree, best_first

# As good as every token of a reply has to be the model's first choice; two precisions may part at near ties.
_GREEDY = 0.98


@dataclass(frozen=True)
class Exam:
    """A held-out chat and where it is asked about.

    Attributes:
        teacher: what the frozen model says of it.
        start: its reply's first token.
        anchors: `[n]` positions of current tokens.
    """

    teacher: Teacher
    start: int
    anchors: torch.Tensor


def exams(target: Target, chats: Sequence[dict], most: int, places: int) -> list[Exam]:
    """Up to `most` of the greedily written chats, asked about at up to `places` even places each."""
    found: list[Exam] = []
    for chat in chats:
        ids, start = torch.tensor(chat["ids"], device=target.device), chat["start"]
        if len(found) == most or len(ids) - start < 24:
            continue
        teacher = teach(target, ids)
        choices = (teacher.hidden[start - 1 : -1].float() @ as_tensor(target.head).float().T).argmax(-1)
        if float((choices == ids[start:]).float().mean()) < _GREEDY:
            continue
        last = len(ids) - 10
        anchors = np.unique(np.linspace(start - 1, last, min(places, last - start + 2)).astype(int))
        found.append(Exam(teacher.kept(range(target.depth)), start, torch.tensor(anchors, device=target.device)))
    return found


@torch.no_grad()
def accepted(
    target: Target,
    adapter: Adapter,
    found: Sequence[Exam],
    kept: tuple[int, ...],
    sizes: Sequence[int],
    term: Term = coherence,
) -> list[list[list[int]]]:
    """Drafted tokens that would have been accepted, by size, exam and place.

    Args:
        kept: the layers that draft.
        sizes: of trees; 1 is a chain.
        term: what joins the slots.
    """
    weights = adapter.calibration.float().cpu().numpy()
    results: list[list[list[int]]] = [[] for _ in sizes]
    for exam in found:
        rows = draft_rows(target, adapter, exam.teacher, exam.anchors, kept, adapter.slots)
        ids = exam.teacher.ids
        known = torch.cat([adapter.vocabulary, ids[: exam.start]]).unique()
        if not adapter.vocabulary.numel():
            known = torch.arange(target.head.shape[0], device=target.device)
        logits, places = (rows @ rows_of(target.head, known).float().T).topk(min(TOP_K, len(known)), dim=-1)
        tokens = known[places]
        embedded = target.embed(tokens).float()
        heads = partial(_head_rows, target, tokens[:, 1:])
        pairs = term(adapter, rows[:, 1:], embedded[:, :-1], embedded[:, 1:], heads).cpu().numpy()
        counts: list[list[int]] = [[] for _ in sizes]
        for place, anchor in enumerate(exam.anchors.tolist()):
            drafted = Candidates(
                logits[place].cpu().numpy(),
                tokens[place].cpu().numpy(),
                pairs[place] if len(pairs[place]) else None,
                Recall(),
                (),
                weights,
            )
            truth = ids[anchor + 1 : anchor + 1 + adapter.slots].tolist()
            for by_size, size in zip(counts, sizes, strict=True):
                by_size.append(held(best_first(drafted.after, size, adapter.slots), truth))
        for by_exam, by_size in zip(results, counts, strict=True):
            by_exam.append(by_size)
    return results


def held(tree: Tree, truth: Sequence[int]) -> int:
    """How many of the true tokens a tree holds, one behind the other."""
    children, node = tree.children(), 0
    for count, token in enumerate(truth):
        if (node, token) not in children:
            return count
        node = children[node, token]
    return len(truth)


def _head_rows(target: Target, tokens: torch.Tensor) -> torch.Tensor:
    return as_tensor(target.head)[tokens].float()
