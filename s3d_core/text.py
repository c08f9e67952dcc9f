"""Tokens to text while they come: whole letters only, and stop texts held back until sure."""

from collections.abc import Sequence

Pieces = tuple[tuple[str, bool], ...]


class TextStream:
    """Turns a reply's tokens into text pieces, each marked with whether a draft brought it.

    Args:
        tokenizer: a transformers tokenizer.
        stops: texts that end the reply; neither they nor what follows them comes out.
        before: tokens that the reply goes on from; they do not come out.
    """

    def __init__(self, tokenizer, stops: Sequence[str] = (), before: Sequence[int] = ()):
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._ids: list[int] = list(before)
        self._shown = len(self._ids)  # ids[:shown] are in `text`, up to letters that span tokens
        self._begin = 0  # decoding starts here: far enough back that spaces come out right
        self._held: list[tuple[str, bool]] = []

    def push(self, ids: Sequence[int], from_draft: Sequence[bool], is_end: bool = False) -> tuple[Pieces, int | None]:
        """Take a round's tokens.

        Args:
            is_end: the last token is a stop token and no text of its own.

        Returns:
            The finished pieces, and the index of the token that completed a stop text, or None.
        """
        out: list[tuple[str, bool]] = []
        for index, token in enumerate(ids):
            if is_end and index == len(ids) - 1:
                break
            piece = self._decode(token)
            if not piece:
                continue
            self._held.append((piece, from_draft[index]))
            held = "".join(text for text, _ in self._held)
            found = [at for stop in self._stops if (at := held.find(stop)) >= 0]
            if found:
                out += self._release(min(found))
                self._held.clear()
                return tuple(out), index
            out += self._release(len(held) - self._possible_stop(held))
        return tuple(out), None

    def flush(self) -> Pieces:
        """What is still held back, once nothing more can come; a broken letter is shown as such."""
        rest = self._text(self._begin, len(self._ids))[len(self._text(self._begin, self._shown)) :]
        self._shown = len(self._ids)
        out = [*self._held, *([(rest, False)] if rest else [])]
        self._held.clear()
        return tuple(out)

    def _decode(self, token: int) -> str:
        self._ids.append(token)
        before = self._text(self._begin, self._shown)
        now = self._text(self._begin, len(self._ids))
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._begin, self._shown = self._shown, len(self._ids)
        return now[len(before) :]

    def _text(self, begin: int, end: int) -> str:
        return self._tokenizer.decode(
            self._ids[begin:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def _possible_stop(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop text begins."""
        longest = max(map(len, self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stops):
                return size
        return 0

    def _release(self, letters: int) -> list[tuple[str, bool]]:
        out = []
        while self._held and letters > 0:
            text, drafted = self._held.pop(0)
            out.append((text[:letters], drafted))
            if len(text) > letters:
                self._held.insert(0, (text[letters:], drafted))
            letters -= min(letters, len(text))
        return out
