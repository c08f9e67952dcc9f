"""Whatever a model writes is shown, streamed or not, and every letter keeps its origin."""

from fuzz.budget import fuzz
from hypothesis import strategies as st

from app.ui.chat.markdown import Line, Run, Table, parse

_SIGNS = (
    "#",
    "*",
    "_",
    "`",
    "```",
    "~~~",
    "~~",
    "> ",
    "- ",
    "1. ",
    "  ",
    "    ",
    "\t",
    "\n",
    "\n\n",
    "|",
    "|--|",
    "\\",
)
_SIGNS += ("[a](", "![", ")", "<b>", "<!--", "</script>", "&amp;", "&#0;", "javascript:", "http://x", "---", "===")
_SIGNS += (
    "🙂",
    "e\u0301",
    "\u202e",
    "\u2028",
    "\u2029",
    "\0",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\ufeff",
    "\ufffd",
)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(st.sampled_from(_SIGNS), st.text(max_size=6)), max_size=40).map("".join),
)


def runs_of(items) -> list[Run]:
    found: list[Run] = []
    for item in items:
        if isinstance(item, Table):
            found += [run for row in item.rows for cell in row for run in cell]
        else:
            assert isinstance(item, Line)
            found += item.runs
    return found


@fuzz(TEXTS, st.randoms(use_true_random=False), examples=200)
def test_any_text_is_shown_with_every_letter_marked(text, dice):
    marks = bytes(dice.randint(0, 1) for _ in text)
    blocks = parse(text, marks)
    starts = [block.start for block in blocks]
    assert starts == sorted(starts)
    assert all(0 <= start <= len(text) for start in starts)
    for block in blocks:
        if block.is_code:
            assert len(block.code) == len(block.marks)
            assert set(block.marks) <= {0, 1}
        for run in runs_of(block.items):
            assert isinstance(run.text, str)
            assert isinstance(run.link, str)


@fuzz(TEXTS, examples=100)
def test_settled_blocks_stay_as_they_are_while_more_comes(text):
    """Only the last block is ever rendered again, so those before it must be final."""
    whole = parse(text, bytes(len(text)))
    for cut in range(0, len(text), max(1, len(text) // 8)):
        part = parse(text[:cut], bytes(cut))
        for before, after in zip(part[:-1], whole, strict=False):
            assert before.start == after.start


@fuzz(TEXTS, examples=30)
def test_any_text_can_be_drawn(qtbot, text):
    from app.ui.chat.message import ReplyBody

    body = ReplyBody()
    qtbot.addWidget(body)
    for at in range(0, len(text), 7):
        body.extend([(text[at : at + 7], at % 2 == 0)])
    body.finish()
    body.resize(500, 300)
    body.grab()
