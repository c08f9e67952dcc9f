"""Chat templates: programs that come with a model, so they run in transformers' sandbox and not for ever."""

import ctypes
import functools
import threading

from s3d_core.errors import PromptError

# A template takes milliseconds; this much a busy machine may need for its first use.
SECONDS = 30.0


class _EndlessError(BaseException):
    """Ends a template's thread."""


def render(tokenizer, messages: list[dict], *, continue_last: bool = False, seconds: float = SECONDS) -> str:
    """A chat as text by the model's own template, ready for the reply, or for the rest of it with `continue_last`.

    Raises:
        PromptError: there is no template, it refuses the messages, or does not come to an end.
    """
    source = tokenizer.chat_template
    if not source:
        raise PromptError("This model has no chat template, so it cannot hold a chat.")
    for text in source.values() if isinstance(source, dict) else [source]:
        _refuse_powers(text)
    done: list[str | BaseException] = []

    def work() -> None:
        try:
            text = tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                tokenize=False,
                add_generation_prompt=not continue_last,
                continue_final_message=continue_last,
            )
            done.append(text)
        except BaseException as error:
            done.append(error)

    thread = threading.Thread(target=work, name="chat template", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        # A thread cannot be ended from outside, but an exception can be put into its next step.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_EndlessError))
        thread.join(1.0)
        raise PromptError("This model's chat template does not come to an end; choose another model.")
    (result,) = done
    if isinstance(result, str):
        return result
    said = str(result).strip().splitlines()
    reason = said[0][:200] if said else type(result).__name__
    raise PromptError(f"This model's chat template refuses these messages: {reason}.") from result


@functools.lru_cache(maxsize=16)
def _refuse_powers(source: str) -> None:
    """Refuse `**`: one step that may take hours, and that no exception can get into."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        if any(kind == "operator" and sign == "**" for _, kind, sign in Environment().lex(source)):
            raise PromptError("This model's chat template computes powers, which no chat needs; choose another model.")
    except TemplateSyntaxError:
        return  # transformers will say so
