"""Settings measured beside plain decoding: some replies at a time between two plain ones to the same prompt.

A machine's speed changes from one minute to the next, so that only what was measured within seconds can be compared.
"""

from collections.abc import Callable, Iterator, Sequence

from s3d_core.bench.contenders import Ours, Reply
from s3d_core.settings import SamplingSettings

# Replies between two plain ones.
_GROUP = 4


def beside_plain(
    plain: Ours,
    runs: Sequence[tuple[int, Ours]],
    ids: list[int],
    sampling: SamplingSettings,
    report: Callable[[int], None],
    cold: bool = True,
) -> Iterator[tuple[int, Reply, Reply, Reply]]:
    """Measure each run on one prompt: (its number, its reply, the plain reply before it, the plain one after it).

    Args:
        runs: numbers and contenders, in the order in which they are to run.
        report: called with a run's number before it begins.
        cold: each reply reads the prompt anew; else what of it is in the cache stays there.
    """
    before = plain.reply(ids, sampling, cold)
    for start in range(0, len(runs), _GROUP):
        replies = []
        for number, contender in runs[start : start + _GROUP]:
            report(number)
            replies.append((number, contender.reply(ids, sampling, cold)))
        after = plain.reply(ids, sampling, cold)
        for number, done in replies:
            yield number, done, before, after
        before = after


def over_plain(done: Reply, before: Reply, after: Reply) -> float | None:
    """A reply's speed over the mean time of the plain ones around it; None where one was too short to be timed."""
    speed, first, second = (reply.tokens_per_second for reply in (done, before, after))
    return speed / (2 * first * second / (first + second)) if speed and first and second else None
