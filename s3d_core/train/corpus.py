"""Self-written chats: the target model answers prompts, and writes prompts of its own.

A draft adapter learns to guess what *this* model writes, so the model itself is the
best author of its training text (self-distillation). Prompts come from a file of JSON
lines with ``turns``, from the model itself by sampling the user turn after the chat
template's user header (Magpie, arXiv:2406.08464), or from both.

The corpus is a JSON-lines file that is only ever appended to, one chat a line:
``{"ids": [token ids], "start": index of the reply's first token, "from": "given" | "self"}``.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator

from s3d_core import template
from s3d_core.errors import TrainingError
from s3d_core.train.memory import texts_at_once
from s3d_core.train.writer import Job, Writer

_MARK = "\u2063user-turn\u2063"
_SHORTEST_REPLY = 8


def user_header(tokenizer) -> list[int]:
    """Token ids up to where a user's first words would stand, by the chat template itself.

    Raises:
        TrainingError: the tokenizer has no chat template, or the template moves the user's words.
        PromptError: the template refuses every message, or does not come to an end.
    """
    if not tokenizer.chat_template:
        raise TrainingError("This model has no chat template, so it cannot write chats by itself.")
    text = template.render(tokenizer, [{"role": "user", "content": _MARK}])
    before, mark, _ = text.partition(_MARK)
    if not mark:
        raise TrainingError("This model's chat template hides the user's turn; give --prompts.")
    return tokenizer(before, add_special_tokens=False)["input_ids"]


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """A one-turn chat as token ids, ready for the reply.

    Raises:
        PromptError: the chat template refuses it, or does not come to an end.
    """
    text = template.render(tokenizer, [{"role": "user", "content": prompt}])
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def frequent_tokens(chats: list[dict], count: int) -> list[int]:
    """The tokens most frequent in a corpus's replies, at most `count`, ascending."""
    seen = Counter(token for chat in chats for token in chat["ids"][chat["start"] :])
    return sorted(token for token, _ in seen.most_common(count))


def write_chats(
    target,
    tokenizer,
    stop_ids: set[int],
    given: list[str],
    *,
    self_written: float,
    seed: int,
    rows: int = 64,
    max_prompt: int = 256,
    max_reply: int = 256,
) -> Iterator[dict]:
    """Chats without end: a share ``self_written`` of them wholly the model's, the rest on ``given``.

    Half of the replies are greedy, half are sampled at temperature 0.8, so the drafts learn
    both kinds of text. Longer prompts are left out.

    Raises:
        TrainingError: no given prompt is short enough, or the model cannot write user turns.
    """
    order = random.Random(seed)
    own: deque[list[int]] = deque()
    share = self_written if given else 1.0
    header = user_header(tokenizer) if share > 0 else []
    context = max_prompt + max_reply
    writer = Writer(target, stop_ids, texts_at_once(target, context, rows), context, seed)
    longest = min(max_prompt, writer.context - _SHORTEST_REPLY)

    def reply_to(ids: list[int], origin: str) -> Job:
        return Job(ids, order.choice((0.0, 0.8)), max_reply, origin)

    def jobs() -> Iterator[Job]:
        while True:
            if own:
                yield reply_to(own.popleft(), "self")
            elif order.random() < share:
                yield Job(header, 1.0, 96, "user turn")
            else:
                for _ in range(1000):
                    ids = prompt_ids(tokenizer, order.choice(given))
                    if len(ids) <= longest:
                        break
                else:
                    raise TrainingError(f"The given prompts are longer than {longest} tokens.")
                yield reply_to(ids, "given")

    for job in writer.write(jobs()):
        if job.origin == "user turn":
            text = tokenizer.decode(job.reply, skip_special_tokens=True).strip()
            if text and job.reply[-1] in stop_ids and len(ids := prompt_ids(tokenizer, text)) <= longest:
                own.append(ids)
        elif len(job.reply) >= _SHORTEST_REPLY:
            yield {"ids": job.ids + job.reply, "start": len(job.ids), "from": job.origin}
