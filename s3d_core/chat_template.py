"""A chat as text by the model's own template, with the system prompt in it whatever the template thinks of one."""

from typing import Any

from s3d_core import template
from s3d_core.errors import PromptError


def chat_text(tokenizer, messages: list[dict[str, Any]], *, continue_last: bool = False) -> str:
    """The text of a chat, ready for the reply, or for the rest of it with `continue_last`.

    Some templates leave a system message out without a word (the first of Phi-3-mini) and some refuse
    it (Mistral's first ones). What it says then stands before the first user's words.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
        messages: {"role", "content"} each; the first one may be the system's.

    Raises:
        PromptError: there is no template, it refuses the messages, or does not come to an end.
    """
    folded = _folded(messages)
    try:
        text = template.render(tokenizer, messages, continue_last=continue_last)
    except PromptError:
        if folded is None:
            raise
        return template.render(tokenizer, folded, continue_last=continue_last)
    if folded is not None and str(messages[0]["content"]).strip() not in text:
        return template.render(tokenizer, folded, continue_last=continue_last)
    return text


def _folded(messages: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The chat with the system's words before the user's, or None where there are none to be moved."""
    if len(messages) < 2 or messages[0]["role"] != "system" or messages[1]["role"] != "user":
        return None
    said = str(messages[0]["content"]).strip()
    if not said:
        return messages[1:]
    return [messages[1] | {"content": f"{said}\n\n{messages[1]['content']}"}, *messages[2:]]
