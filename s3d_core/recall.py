"""What followed the same words before: in the text, and in the target's own verdicts.

Text repeats itself: names, phrases, code, whole lists. And each verify pass says of every candidate,
also of a rejected one, which token the target would have written next; the same words often come up
again soon. Both are kept per n-gram and used to sharpen what the draft pass proposes. Kin: prompt
lookup decoding, which copies from the text, and Token Recycling (arXiv:2408.08696), which keeps a
target's candidates by their last token; as evidence inside a draft tree this is the project's own.
"""

import sys

from s3d_core.tree import Tree

LONGEST = 3
# Bytes of an n-gram of the longest, which nothing else holds; the tokens in it are the text's own.
_GRAM_BYTES = sys.getsizeof((0,) * LONGEST)


class Followers(dict):
    """What followed n-grams, and what of it is new.

    Attributes:
        new: put in since it was last emptied.
        was_cleared: all else was forgotten since.
    """

    def __init__(self):
        super().__init__()
        self.new: dict[tuple[int, ...], int] = {}
        self.was_cleared = True

    def __setitem__(self, gram: tuple[int, ...], token: int) -> None:
        super().__setitem__(gram, token)
        self.new[gram] = token

    def clear(self) -> None:
        super().clear()
        self.new.clear()
        self.was_cleared = True


class Recall:
    """Followers of n-grams of up to `LONGEST` tokens, the newest of each.

    Kinds of evidence are numbered: 0 to 2 "said" after 1, 2, 3 equal tokens, 3 to 5 "meant" likewise.
    """

    kinds = 2 * LONGEST

    def __init__(self):
        self._text: list[int] | None = None
        self._read = 0
        self._said: dict[tuple[int, ...], int] = {}
        self._meant: dict[tuple[int, ...], int] = {}

    @property
    def bytes(self) -> int:
        """Memory, in bytes; it grows with the text, by some hundred bytes a token and candidate."""
        held = (self._said, self._meant)
        return sum(sys.getsizeof(followers) + len(followers) * _GRAM_BYTES for followers in held)

    def watched(self) -> tuple[Followers, Followers]:
        """What is said and meant from now on, in dictionaries that know what is new in them."""
        self._text, self._said, self._meant = None, Followers(), Followers()
        return self._said, self._meant

    def follow(self, text: list[int]) -> None:
        """Take in what is new in `text`; another list is another text, which forgets everything."""
        if text is not self._text:
            self._text, self._read = text, 1
            self._said.clear()
            self._meant.clear()
        said = self._said
        for at in range(self._read, len(text)):
            token = text[at]
            for n in range(1, min(LONGEST, at) + 1):
                said[tuple(text[at - n : at])] = token
        self._read = max(self._read, len(text))

    def learn(self, context: tuple[int, ...], tree: Tree, verdicts: list[int]) -> None:
        """Take in what the target found most likely behind each node; the first count most.

        Args:
            context: the text's last tokens, the current one last.
            verdicts: tokens, one for the current token and one for each node.
        """
        contexts = [context]
        for token, parent in zip(tree.tokens, tree.parents, strict=True):
            contexts.append((*contexts[parent], token)[-LONGEST:])
        meant = self._meant
        for behind, token in zip(reversed(contexts), reversed(verdicts), strict=True):
            for n in range(1, min(LONGEST, len(behind)) + 1):
                meant[behind[-n:]] = token

    def after(self, context: tuple[int, ...]) -> list[tuple[int, int]]:
        """What the longest equal n-gram suggests, as (kind, token): at most one said and one meant."""
        found = []
        for offset, followers in ((0, self._said), (LONGEST, self._meant)):
            for n in range(min(LONGEST, len(context)), 0, -1):
                token = followers.get(context[-n:])
                if token is not None:
                    found.append((offset + n - 1, token))
                    break
        return found
