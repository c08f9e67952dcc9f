"""Sizes and times as words."""

from app.ui.language import translate


def size(count: float) -> str:
    """Bytes."""
    if count >= 1e9:
        return f"{count / 1e9:,.2f} GB"
    return f"{count / 1e6:,.1f} MB"


def parameters(count: int) -> str:
    """A number of parameters."""
    return f"{count / 1e9:.1f} B" if count >= 1e9 else f"{count / 1e6:.0f} M"


def tokens(count: int) -> str:
    """The length of a context."""
    return (
        translate("Models", "{count}k tokens").format(count=count // 1024)
        if count >= 1024
        else translate("Models", "{count} tokens").format(count=count)
    )


def duration(seconds: float) -> str:
    """A time that is still to pass."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
