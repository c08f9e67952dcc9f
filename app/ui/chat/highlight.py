"""Colours for code, by role and not by colour: the theme decides those. Free of Qt."""

from collections.abc import Iterator
from functools import cache

from pygments.lexers import find_lexer_class, get_all_lexers
from pygments.token import Token

LONGEST_HIGHLIGHTED = 100_000

_ROLES = (
    (Token.Comment, "comment"),
    (Token.Keyword, "keyword"),
    (Token.Operator.Word, "keyword"),
    (Token.Literal.String, "string"),
    (Token.Literal.Number, "number"),
    (Token.Name.Function, "name"),
    (Token.Name.Class, "name"),
    (Token.Name.Builtin, "name"),
    (Token.Name.Decorator, "name"),
    (Token.Name.Tag, "name"),
    (Token.Generic.Deleted, "number"),
    (Token.Generic.Inserted, "string"),
)


def coloured(code: str, language: str) -> Iterator[tuple[int, int, str]]:
    """(start, length, role) of the coloured parts, in order and as they are found; none for an unknown language.

    Roles are names of `theme.Colours`: keyword, string, comment, number, name.
    """
    lexer = _lexer(language.lower())
    if lexer is None or len(code) > LONGEST_HIGHLIGHTED:
        return
    position = 0
    for kind, text in lexer.get_tokens(code):
        role = _role(kind)
        if role and text:
            yield position, len(text), role
        position += len(text)


def warm_up() -> None:
    """Make the most common languages ready: the first use of each compiles its patterns. Any thread may call it."""
    for language in ("python", "bash", "javascript", "json", "html", "css", "c", "cpp", "java", "sql"):
        list(coloured("x", language))


@cache
def _role(kind) -> str | None:
    return next((role for parent, role in _ROLES if kind in parent), None)


@cache
def _long_names() -> dict[str, str]:
    # Asked for an unknown name, pygments looks through every installed package for plugins.
    return {alias: name for name, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases}


@cache
def _lexer(language: str):
    name = _long_names().get(language)
    found = find_lexer_class(name) if name else None
    return found(stripnl=False, ensurenl=False) if found else None
