"""What the training dialog says."""

from app.training.status import State, Status
from app.ui.language import QT_TRANSLATE_NOOP, translate
from s3d_core.stats import ModelInfo

_NOW = {
    "lookup": QT_TRANSLATE_NOOP("Training", "it copies what was said before (lookup)"),
    "skip": QT_TRANSLATE_NOOP("Training", "its own layers draft, the middle left out (skip)"),
    "auto": QT_TRANSLATE_NOOP("Training", "it takes what is fastest of copying and its own layers"),
    "plain": QT_TRANSLATE_NOOP("Training", "it decodes plainly"),
    "s3d": QT_TRANSLATE_NOOP("Training", "it uses drafts that were trained for it"),
}
_STATES = {
    State.STARTING: QT_TRANSLATE_NOOP("Training", "Starting"),
    State.BEFORE: QT_TRANSLATE_NOOP("Training", "Measuring the speed before"),
    State.CORPUS: QT_TRANSLATE_NOOP("Training", "The model writes chats to learn from"),
    State.TRAINING: QT_TRANSLATE_NOOP("Training", "Training"),
    State.FINISHING: QT_TRANSLATE_NOOP("Training", "Calibrating, and measuring on held-out chats"),
    State.AFTER: QT_TRANSLATE_NOOP("Training", "Measuring the speed after"),
    State.PAUSED: QT_TRANSLATE_NOOP("Training", "Paused"),
    State.INTERRUPTED: QT_TRANSLATE_NOOP("Training", "Interrupted; what was done until the last checkpoint is kept"),
    State.FAILED: QT_TRANSLATE_NOOP("Training", "Ended by an error"),
    State.DONE: QT_TRANSLATE_NOOP("Training", "Done"),
}


# Those of `app.training.job.EFFORTS`.
EFFORT_NAMES = (
    QT_TRANSLATE_NOOP("Training", "Quick"),
    QT_TRANSLATE_NOOP("Training", "Usual"),
    QT_TRANSLATE_NOOP("Training", "Thorough"),
)


def introduction(info: ModelInfo) -> str:
    """What a model drafts with now, and what training would bring."""
    drafts = "s3d" if info.has_adapter else info.defaults.strategy
    now = translate("Training", _NOW.get(drafts, _NOW["lookup"]))
    return translate(
        "Training",
        "{name} goes ahead of itself while it writes: now {now}. Trained drafts let one short pass guess several "
        "tokens at once; the model still checks each of them, so the text stays the same. With its trained drafts "
        "SmolLM2-135M writes 1.3 times as fast as plainly on two processor cores; what they bring here is measured "
        "before and after. The model learns from chats that it writes itself; nothing leaves this computer.",
    ).format(name=info.name, now=now)


def heading(status: Status) -> str:
    """The state, with how far it is."""
    said = translate("Training", _STATES.get(status.state, status.state))
    if status.state == State.CORPUS and status.total:
        return translate("Training", "{said}: {done:,} of {total:,} tokens").format(
            said=said, done=status.done, total=status.total
        )
    if status.state == State.TRAINING and status.total:
        return translate("Training", "{said}: step {done:,} of {total:,}").format(
            said=said, done=status.done, total=status.total
        )
    return said


def details(status: Status) -> str:
    """Time left, loss, disk, error."""
    parts = []
    if status.is_running and status.seconds_left is not None:
        parts.append(translate("Training", "{time} left of this part").format(time=duration(status.seconds_left)))
    if status.loss is not None and status.is_running:
        parts.append(translate("Training", "loss {loss:.2f}").format(loss=status.loss))
    if status.disk_bytes:
        parts.append(translate("Training", "{size} on the disk").format(size=size(status.disk_bytes)))
    return status.sentence or " · ".join(parts)


def speeds(status: Status) -> str:
    """The measured speed-up before and after, as far as it is known."""
    if status.before is None:
        return ""
    before = translate("Training", "Before ({strategy}): {speedup:.2f}× plain decoding").format(
        strategy=status.before_strategy, speedup=status.before
    )
    if status.after is None:
        return before
    return before + " · " + translate("Training", "after: {speedup:.2f}×").format(speedup=status.after)


def ended(name: str, status: Status) -> str:
    """One sentence about a training that has come to its end."""
    if status.state != State.DONE:
        return translate("Training", "The training of drafts for {name} has stopped: {why}").format(
            name=name, why=status.sentence or heading(status)
        )
    if not status.after:
        return translate("Training", "Drafts for {name} are trained.").format(name=name)
    return translate(
        "Training", "Drafts for {name} are trained, {speedup:.2f} times as fast as plain decoding."
    ).format(name=name, speedup=status.after)


def duration(seconds: float) -> str:
    """A time in words that suit its length."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Bytes as MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"
