"""Errors a user can act on: each message is one sentence saying what is wrong and what to do."""

OUT_OF_MEMORY = "There is not enough memory for this: close other programs or choose a smaller model."
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


class S3DError(Exception):
    """Base of every error whose message is fit to be shown to a user as it stands."""


class SettingError(S3DError, ValueError):
    """A setting is out of its bounds."""


class ModelError(S3DError):
    """A model cannot be found, read, or run by this engine."""


class AdapterError(S3DError):
    """A draft adapter is damaged, or belongs to another model."""


class PromptError(S3DError, ValueError):
    """A prompt is empty or does not fit into the context."""


class TrainingError(S3DError):
    """Training cannot start or go on."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's own, and what torch raises for a GPU and for the host."""
    said = said_by(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _OUT_OF_MEMORY)


def said_by(error: BaseException) -> str:
    """An error's own words, or the name of its kind where it has none or cannot tell them."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__
