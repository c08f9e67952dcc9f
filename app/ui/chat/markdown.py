"""Markdown as flat, styled lines, with the origin of every letter kept. Free of Qt.

Model output is never turned into HTML: what looks like HTML is text, pictures become links, and a link's address is
kept only to be shown and asked about.
"""

from dataclasses import dataclass, field
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.token import Token

_parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Run:
    """Letters of one style. `drafted`: they came from an accepted draft."""

    text: str
    drafted: bool = False
    bold: bool = False
    italic: bool = False
    struck: bool = False
    code: bool = False
    link: str = ""


@dataclass
class Line:
    """A paragraph, heading or list item.

    Attributes:
        kind: "text", "h1" ... "h6" or "rule".
        level: depth of list nesting. quote: depth of quotation.
        marker: "•", "3." and so on at an item's first line, else "".
    """

    kind: str
    runs: list[Run] = field(default_factory=list)
    level: int = 0
    quote: int = 0
    marker: str = ""


@dataclass
class Table:
    """Rows of cells of runs; the first row is the head.

    Attributes:
        aligns: "left", "center" or "right" per column.
        level: depth of list nesting.
    """

    rows: list[list[list[Run]]] = field(default_factory=list)
    aligns: list[str] = field(default_factory=list)
    level: int = 0


@dataclass
class Block:
    """A run of text, or a code block. A top-level block of the text is one of them, or several where code is inside.

    Attributes:
        start: where the top-level block begins in the parsed text. Nothing that follows it can change it.
        items: what a text block shows.
        is_code: a fenced or indented code block; `code`, `language` and `marks` (one byte per letter) say what.
        level: how far a code block is indented: in how many lists and quotations it is.
    """

    start: int
    items: list[Line | Table] = field(default_factory=list)
    is_code: bool = False
    code: str = ""
    language: str = ""
    marks: bytes = b""
    level: int = 0


def parse(text: str, marks: bytes | bytearray) -> list[Block]:
    """Blocks of a markdown text.

    Args:
        marks: one byte per letter of `text`: 1 where it came from a draft.
    """
    # The parser takes these for line ends too; each letter keeps its place.
    text = text.replace("\r\n", " \n").replace("\r", "\n")
    reader = _Reader(text, bytes(marks))
    tokens = _parser.parse(text)
    blocks, begin, open_blocks = [], 0, 0
    for index, token in enumerate(tokens):
        open_blocks += token.nesting
        if open_blocks == 0:
            blocks += reader.blocks(tokens[begin : index + 1])
            begin = index + 1
    return blocks


class _Reader:
    def __init__(self, text: str, marks: bytes):
        self.text, self.marks = text, marks
        self.line_starts = [0]
        for line in text.split("\n"):
            self.line_starts.append(self.line_starts[-1] + len(line) + 1)
        self.cursor = self.end = 0

    def blocks(self, tokens: list[Token]) -> list[Block]:
        first_line, last_line = tokens[0].map or [0, 0]
        start, self.end = self.line_starts[first_line], self.line_starts[last_line]
        self.cursor = max(self.cursor, start)
        found: list[Block] = []
        for item in self._items(tokens, start):
            if isinstance(item, Block):
                found.append(item)
            elif found and not found[-1].is_code:
                found[-1].items.append(item)
            else:
                found.append(Block(start, [item]))
        return found or [Block(start)]

    def _code_block(self, token: Token, start: int, level: int) -> Block:
        self._skip_fence(token)
        code = token.content.removesuffix("\n")
        return Block(start, [], True, code, self._language(token), self._marks_of(code), level)

    def _skip_fence(self, token: Token) -> None:
        if token.type == "fence" and token.map:
            line = min(token.map[0] + 1, len(self.line_starts) - 1)
            self.cursor = max(self.cursor, min(self.line_starts[line], len(self.text)))

    def _language(self, token: Token) -> str:
        # While the first line is still being written, its language is half a word.
        whole = token.map is None or self.line_starts[token.map[0] + 1] <= len(self.text)
        return token.info.strip().split(" ")[0] if token.info.strip() and whole else ""

    def _items(self, tokens: list[Token], start: int) -> list[Line | Table | Block]:
        items: list[Line | Table | Block] = []
        lists: list[list] = []
        quote, marker, heading, table = 0, "", "", None
        for token in tokens:
            kind = token.type
            if token.map:
                self.cursor = max(self.cursor, self.line_starts[token.map[0]])
            if kind == "bullet_list_open":
                lists.append(["•"])
            elif kind == "ordered_list_open":
                lists.append([int(token.attrGet("start") or 1)])
            elif kind in ("bullet_list_close", "ordered_list_close"):
                lists.pop()
            elif kind == "list_item_open":
                number = lists[-1][0]
                marker = number if number == "•" else f"{number}."
                if number != "•":
                    lists[-1][0] = number + 1
            elif kind == "list_item_close":
                if marker:
                    items.append(Line("text", [], len(lists), quote, marker))
                marker = ""
            elif kind == "blockquote_open":
                quote += 1
            elif kind == "blockquote_close":
                quote -= 1
            elif kind == "heading_open":
                heading = token.tag
            elif kind == "heading_close":
                heading = ""
            elif kind == "hr":
                items.append(Line("rule"))
            elif kind in ("fence", "code_block"):
                if marker:
                    items.append(Line("text", [], len(lists), quote, marker))
                marker = ""
                items.append(self._code_block(token, start, len(lists) + quote))
            elif kind == "table_open":
                if marker:
                    items.append(Line("text", [], len(lists), quote, marker))
                marker = ""
                table = Table(level=len(lists))
                items.append(table)
            elif kind == "tr_open" and table is not None:
                table.rows.append([])
            elif kind == "th_open" and table is not None:
                table.aligns.append(str(token.attrGet("style") or "left").removeprefix("text-align:"))
            elif kind == "table_close":
                table = None
            elif kind == "inline" and table is not None:
                table.rows[-1].append(self._runs(token))
            elif kind == "inline":
                items.append(Line(heading or "text", self._runs(token), len(lists), quote, marker))
                marker = ""
        return items

    def _runs(self, token: Token) -> list[Run]:
        runs: list[Run] = []
        style = {"bold": False, "italic": False, "struck": False, "link": ""}
        switches = {"strong": "bold", "em": "italic", "s": "struck"}
        for child in token.children or []:
            name, _, turn = child.type.rpartition("_")
            if name in switches:
                style[switches[name]] = turn == "open"
            elif name == "link":
                style["link"] = str(child.attrGet("href")) if turn == "open" else ""
            elif child.type in ("softbreak", "hardbreak"):
                runs.append(Run("\u2028"))
            elif child.type == "image":
                shown = f"[picture: {child.content or child.attrGet('src')}]"
                runs.append(Run(shown, link=str(child.attrGet("src"))))
            elif child.content:
                runs += split_by_marks(
                    child.content, self._marks_of(child.content), code=child.type == "code_inline", **style
                )
        return runs

    def _marks_of(self, shown: str) -> bytes:
        """Origins of the letters shown, found at or behind the cursor, which moves behind them."""
        found = self.text.find(shown, self.cursor, self.end)
        if found >= 0:
            self.cursor = found + len(shown)
            return self.marks[found : self.cursor]
        # Escapes, entities and stripped indents: what is shown is a subsequence of what was written, almost.
        marks = bytearray()
        for letter in shown:
            found = self.text.find(letter, self.cursor, self.end)
            if found >= 0:
                self.cursor = found + 1
            marks.append(self.marks[self.cursor - 1] if self.cursor else 0)
        return bytes(marks)


def split_by_marks(text: str, marks: bytes, **style) -> list[Run]:
    """Runs of one style, cut where the origin changes."""
    runs, position = [], 0
    for mark, group in groupby(marks):
        length = len(list(group))
        runs.append(Run(text[position : position + length], bool(mark), **style))
        position += length
    return runs
