"""THE loop: draft -> verify -> accept -> commit, one `Round` at a time.

Every emitted token is the target's own sample at its place, drafted or not, so the text is the
one plain decoding would have written. The relaxed rule (exactness below 1) is the one exception
and is counted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch

from s3d_core.cache import Cache
from s3d_core.draft import State, Strategy
from s3d_core.grown import Grown
from s3d_core.outcome import outcome
from s3d_core.sampling import Sampler, most_likely, plausible
from s3d_core.settings import DraftSettings
from s3d_core.stats import Round
from s3d_core.target import Target
from s3d_core.text import TextStream
from s3d_core.transfer import Clock, send
from s3d_core.tree import Tree

PREFILL_CHUNK = 256


@dataclass
class Accepted:
    """What the walk down a tree gave: emitted tokens, the rows to keep, and counts."""

    ids: list[int]
    rows: list[int]
    from_draft: list[bool]
    relaxed: int


@torch.inference_mode()
def prefill(
    target: Target,
    cache: Cache,
    ids: list[int],
    cancel: Callable[[], bool] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Bring the cache to hold all of `ids` but the last, reusing the prefix it holds already.

    Returns:
        False if `cancel` said so between two chunks; the cache then holds what was read.
    """
    goal = len(ids) - 1
    held = min(cache.common_prefix(ids), goal)
    long = target.is_long(goal)
    if cache.long_rope != long:
        held, cache.long_rope = 0, long  # the keys were turned with the other set of frequencies
    cache.rewind(held)
    begun = held
    while held < goal:
        if cancel and cancel():
            return False
        chunk = ids[held : min(held + PREFILL_CHUNK, goal)]
        rows = len(chunk)
        x = target.embed(torch.tensor(chunk, device=target.device))
        positions = torch.arange(held, held + rows, device=target.device)
        visible = torch.ones(rows, rows, dtype=torch.bool, device=target.device).tril()
        # The rope's frequencies are those of the whole text, also for its first chunks.
        target.cached_pass(x, positions, goal if long else held + rows - 1, cache, visible)
        cache.commit(list(range(rows)), chunk)
        held += rows
        if on_progress:
            on_progress(held - begun, goal - begun)
    return True


@torch.inference_mode()
def verify(target: Target, cache: Cache, current: int, tree: Tree | Grown) -> torch.Tensor:
    """One full pass over `[current, candidates]`; logits `[1 + nodes, vocabulary]`."""
    n, device = len(cache), target.device
    if isinstance(tree, Grown):
        first = send([[current], [n]], device)
        rows, positions = torch.cat([first, torch.stack([tree.tokens, tree.depths + n])], dim=1)
        return target.step(rows, positions, n + tree.length, cache, tree.visible)
    rows, positions = send([[current, *tree.tokens], [n, *(n + depth for depth in tree.depths)]], device)
    visible = send(tree.visible(), device)
    return target.step(rows, positions, n + tree.depth, cache, visible)


def accept(
    tree: Tree,
    logits: torch.Tensor,
    ids: list[int],
    sampler: Sampler,
    exactness: float,
    drawn: list[int] | None = None,
) -> Accepted:
    """Walk down the tree with the target's own samples.

    At each node the target's token is drawn; while it is among the node's children it is taken,
    else it is the round's last token. Below exactness 1 a plausible child is taken as well.

    Args:
        drawn: every row's token, where they are drawn already; on the host a row that the walk never
            reaches costs nothing.
    """
    children = tree.children()
    greedy = sampler.greedy and not sampler.penalised
    emitted: list[int] = []
    node, rows, relaxed = 0, [0], 0
    while True:
        here = [candidate for parent, candidate in children if parent == node]
        if drawn:
            token, scores = drawn[node], None
        elif greedy and (exactness == 1 or not here):
            token, scores = most_likely(logits[node : node + 1])[0], None
        else:
            scores = sampler.scores(logits[node], ids + emitted if sampler.penalised else ())
            token = sampler.draw(scores, len(ids) + len(emitted))
        if token not in here and exactness < 1 and here and scores is not None:
            log_p = scores.log_softmax(dim=-1)
            best = max(here, key=lambda candidate: float(log_p[candidate]))
            if float(log_p[best].exp()) >= plausible(scores, exactness):
                token = best
                relaxed += 1
        emitted.append(token)
        if (node, token) not in children:
            return Accepted(emitted, rows, [True] * (len(emitted) - 1) + [False], relaxed)
        node = children[node, token]
        rows.append(node)


@dataclass
class Limits:
    """Where a reply ends.

    Attributes:
        stop_ids: tokens that end it; the stop token is emitted as the last one.
        context: most tokens of prompt and reply together.
    """

    stop_ids: frozenset[int]
    context: int


@torch.inference_mode()
def rounds(
    target: Target,
    cache: Cache,
    ids: list[int],
    strategies: dict[str, Strategy],
    read_settings: Callable[[], DraftSettings],
    sampler: Sampler,
    text: TextStream,
    limits: Limits,
    cancel: Callable[[], bool] | None = None,
    probe_every: int = 0,
) -> Iterator[Round]:
    """Decode behind a prefilled cache, one `Round` at a time, until a stop reason comes up.

    Args:
        cache: holds all of `ids` but the last.
        ids: prompt tokens; the list is extended with what is emitted.
        probe_every: every so many rounds one goes without drafts, so that plain decoding's speed is
            known under the same conditions; 0 for none. The text stays the same.
    """
    written, number, reason = 0, 0, None
    most_tokens = sampler.settings.max_tokens
    while reason is None:
        clock = Clock(target.device)
        settings = read_settings()
        if cancel and cancel():
            pieces = text.flush()
            yield Round((), pieces, 0, 0, 0, 0, 0.0, 0.0, 0.0, len(ids), settings, "cancelled")
            return
        if target.is_long(len(cache)) != cache.long_rope:
            # The current token is the first under the other frequencies: every key is stale.
            prefill(target, cache, ids, cancel)
            continue
        strategy = strategies[settings.strategy]
        room = _room(target, cache, ids, written, most_tokens, limits)
        state = State(ids, cache, settings, room, sampler.noise(len(ids)))
        number += 1
        is_probe = probe_every > 0 and number % probe_every == min(4, probe_every) % probe_every
        drafts = state.most > 0 and not is_probe
        proposed = strategy.propose(state) if drafts else Tree()
        clock.mark()
        logits = verify(target, cache, ids[-1], proposed)
        drawn, verdicts = None, partial(most_likely, logits)
        if target.device.type == "cpu" and isinstance(proposed, Tree):
            tree = proposed
            if settings.exactness == 1 and sampler.greedy and not sampler.penalised:
                drawn = most_likely(logits)
                verdicts = partial(list, drawn)
        elif settings.exactness == 1 or isinstance(proposed, Grown):
            found = outcome(proposed, logits, ids, sampler)
            tree, drawn, verdicts = found.tree, found.drawn, partial(list, found.verdicts)
        else:
            tree = proposed
        taken = accept(tree, logits, ids, sampler, settings.exactness, drawn)
        clock.mark()

        emitted = taken.ids[: most_tokens - written]
        stop = next((i for i, token in enumerate(emitted) if token in limits.stop_ids), None)
        if stop is not None:
            emitted, reason = emitted[: stop + 1], "stop"
        accepted = sum(taken.from_draft[: len(emitted)])
        pieces, stopped_at = text.push(emitted, taken.from_draft, is_end=reason == "stop")
        if stopped_at is not None:
            emitted, reason = emitted[: stopped_at + 1], "stop"
            accepted = sum(taken.from_draft[: len(emitted)])
        # Row i holds the K/V of the i-th token behind the cache; the newest token stays uncached.
        cache.commit(taken.rows[: len(emitted)], (ids[-1:] + emitted)[: len(emitted)])
        ids += emitted
        written += len(emitted)
        if reason is None and written >= most_tokens:
            reason = "length"
        if reason is None and len(ids) >= limits.context:
            reason = "context"
        if reason is not None:
            pieces += text.flush()
        if drafts:
            strategy.learn(tree, verdicts, emitted)
        clock.mark()
        draft_ms, verify_ms, rest_ms = clock.ms()
        yield Round(
            ids=tuple(emitted),
            pieces=pieces,
            drafted=len(tree),
            accepted=accepted,
            depth=tree.depth,
            relaxed=min(taken.relaxed, accepted),
            draft_ms=draft_ms,
            verify_ms=verify_ms,
            total_ms=draft_ms + verify_ms + rest_ms,
            context=len(ids),
            settings=state.settings if drafts else replace(settings, strategy="plain"),
            stop_reason=reason,
        )


def _room(target: Target, cache: Cache, ids: list[int], written: int, most_tokens: int, limits: Limits) -> int:
    """How many tokens may be drafted: a draft that cannot be emitted is not worth verifying."""
    room = min(most_tokens - written, limits.context - len(ids)) - 1
    switch = target.rope_switch
    if switch is not None and not cache.long_rope:
        room = min(room, switch - 1 - len(cache))
    return room
