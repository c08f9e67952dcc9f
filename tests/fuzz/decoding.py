"""What must hold of every candidate tree and of every answer, whoever thinks up the examples."""

from collections.abc import Sequence

from s3d_core.engine import Engine
from s3d_core.settings import DraftSettings, SamplingSettings
from s3d_core.tree import Tree, best_first

Table = Sequence[float]


def check_tree(tables: Sequence[Table], size: int, depth: int, least: float) -> Tree:
    """The tree of log-probabilities, one table a depth, can be walked; returns it."""

    def after(path):
        table = tables[len(path)] if len(path) < len(tables) else []
        return sorted(((score, token) for token, score in enumerate(table)), reverse=True)

    tree = best_first(after, size, depth, least)
    assert len(tree) <= size if size > 1 else len(tree) <= depth
    assert len(tree) >= 1
    assert tree.depth <= min(depth, len(tables))
    assert all(0 <= parent < node for node, parent in enumerate(tree.parents, 1))
    # No path twice: else a walk could take one and the cache keep the other.
    assert len(tree.children()) == len(tree)
    seen = tree.visible()
    assert seen.diagonal().all()
    assert not seen.triu(1).any()
    return tree


def check_answer(
    engine: Engine,
    prompt: list[int],
    sampling: SamplingSettings,
    moves: Sequence[DraftSettings],
    *,
    stopped_after: int,
    probe_every: int,
) -> None:
    """Settings that change every round, behind an answer that was stopped, leave the text as plain decoding has it."""
    plain = list(engine.generate(prompt, DraftSettings("plain"), sampling))
    asked, turn = iter(range(10**6)), iter(range(10**6))
    list(engine.generate(prompt, moves[0], sampling, cancel=lambda: next(asked) >= stopped_after))
    drafted = list(engine.generate(prompt, lambda: moves[next(turn) % len(moves)], sampling, probe_every=probe_every))
    assert [token for done in drafted for token in done.ids] == [token for done in plain for token in done.ids]
    assert "".join(done.text for done in drafted) == "".join(done.text for done in plain)
    assert drafted[-1].stop_reason == plain[-1].stop_reason
    for stop in sampling.stop:
        assert stop not in "".join(done.text for done in drafted)
    for done in drafted:
        assert len(done.ids) <= done.accepted + 1
        assert done.accepted <= min(done.drafted, done.depth)
