"""What the training dialog says."""

from app.training.status import State, Status
from s3d_core.stats import ModelInfo

_NOW = {
    "lookup": "it copies what was said before (lookup)",
    "skip": "its own layers draft, the middle left out (skip)",
    "auto": "it takes what is fastest of copying and its own layers",
    "plain": "it decodes plainly",
    "s3d": "it uses drafts that were trained for it",
}
_STATES = {
    State.STARTING: "Starting",
    State.BEFORE: "Measuring the speed before",
    State.CORPUS: "The model writes chats to learn from",
    State.TRAINING: "Training",
    State.FINISHING: "Calibrating, and measuring on held-out chats",
    State.AFTER: "Measuring the speed after",
    State.PAUSED: "Paused",
    State.INTERRUPTED: "Interrupted; what was done until the last checkpoint is kept",
    State.FAILED: "Ended by an error",
    State.DONE: "Done",
}


def introduction(info: ModelInfo) -> str:
    """What a model drafts with now, and what training would bring."""
    now = _NOW["s3d"] if info.has_adapter else _NOW.get(info.defaults.strategy, _NOW["lookup"])
    return (
        f"{info.name} goes ahead of itself while it writes: now {now}. Trained drafts let one short pass guess "
        "several tokens at once; the model still checks each of them, so the text stays the same. With its trained "
        "drafts SmolLM2-135M writes 1.3 times as fast as plainly on two processor cores; what they bring here is "
        "measured before and after. The model learns from chats that it writes itself; nothing leaves this computer."
    )


def heading(status: Status) -> str:
    """The state, with how far it is."""
    said = _STATES.get(status.state, status.state)
    if status.state == State.CORPUS and status.total:
        return f"{said}: {status.done:,} of {status.total:,} tokens"
    if status.state == State.TRAINING and status.total:
        return f"{said}: step {status.done:,} of {status.total:,}"
    return said


def details(status: Status) -> str:
    """Time left, loss, disk, error."""
    parts = []
    if status.is_running and status.seconds_left is not None:
        parts.append(f"{duration(status.seconds_left)} left of this part")
    if status.loss is not None and status.is_running:
        parts.append(f"loss {status.loss:.2f}")
    if status.disk_bytes:
        parts.append(f"{size(status.disk_bytes)} on the disk")
    return status.sentence or " · ".join(parts)


def speeds(status: Status) -> str:
    """The measured speed-up before and after, as far as it is known."""
    if status.before is None:
        return ""
    before = f"Before ({status.before_strategy}): {status.before:.2f}× plain decoding"
    return f"{before} · after: {status.after:.2f}×" if status.after is not None else before


def ended(name: str, status: Status) -> str:
    """One sentence about a training that has come to its end."""
    if status.state != State.DONE:
        return f"The training of drafts for {name} has stopped: {status.sentence or heading(status).lower()}"
    brought = f", {status.after:.2f} times as fast as plain decoding" if status.after else ""
    return f"Drafts for {name} are trained{brought}."


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
