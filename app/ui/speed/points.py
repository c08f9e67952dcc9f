"""What the plot shows. Free of Qt."""

from typing import NamedTuple


class Point(NamedTuple):
    """One moment of a reply: seconds of decoding, tokens/s of the rounds before, plain decoding's as known then."""

    seconds: float
    speed: float
    plain: float | None
