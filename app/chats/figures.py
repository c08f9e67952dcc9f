"""What was measured while a reply was written, as it is kept with the reply."""

from dataclasses import asdict, fields

from s3d_core.stats import Totals

# Beyond the sums themselves: what programs that read exported chats look for.
_DERIVED = ("tokens_per_second", "plain_tokens_per_second", "speedup", "tokens_per_round", "time_to_first_token_ms")


def figures_of(totals: Totals, model: str) -> dict:
    """The sums and what follows from them, as JSON types.

    Args:
        model: the name of the model that wrote the reply.
    """
    return {"model": model, **asdict(totals), **{name: getattr(totals, name) for name in _DERIVED}}


def totals_of(figures: dict) -> Totals | None:
    """The sums in `figures`, or None where there are none, or others than ours."""
    if not figures.get("tokens"):
        return None
    plain = Totals()
    for field in fields(Totals):
        value = figures.get(field.name)
        if not _fits(value, getattr(plain, field.name), field.name):
            return None
        setattr(plain, field.name, value)
    return plain


def _fits(value, like, name: str) -> bool:
    """Whether `value` is of the kind that this sum has."""
    if name == "stop_reason":
        return value is None or isinstance(value, str)
    if isinstance(like, list):
        return isinstance(value, list) and all(type(item) is int for item in value)
    if name == "plain_ms":
        return value is None or type(value) in (int, float)
    return type(value) in ((int,) if type(like) is int else (int, float))
