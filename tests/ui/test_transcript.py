"""The transcript: safe markdown, streaming that ends where one rendering would, letters coloured by origin."""

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QColor, QDesktopServices, QGuiApplication, QTextCursor
from PySide6.QtWidgets import QMessageBox

from app.chats.model import Message
from app.ui.chat import code_block
from app.ui.chat.code_block import CodeBlock
from app.ui.chat.flow_text import FlowText
from app.ui.chat.markdown import parse
from app.ui.chat.message import ReplyMessage, Turn
from app.ui.chat.pane import ChatPane
from app.ui.chat.reply_body import ReplyBody
from app.ui.chat.transcript import Transcript
from app.ui.theme import colours

REPLY = """# Merging *two* lists

Take the **smaller** head, `left[0]` or ~~right~~, see [here](https://example.org/a?b=1&c=2).
A second line with <b>no bold</b> & an escaped \\* star.

1. First
2. Second
   - inner
   ```bash
   echo nested
   ```
3. Third

```python
def merge(left, right):
    '''Two lines
    of text 🙂.'''
    return sorted(left + right)  # a comment
```

| a | b |
|---|--:|
| 1 | 2 |

> quoted
***
The end 🙂 of it.
"""


def add_reply(transcript: Transcript) -> ReplyMessage:
    """An empty reply at the end of a transcript."""
    transcript.append(Turn(Message(len(transcript.turns) + 1, None, "assistant")))
    return transcript.messages[-1]


def rendered(pieces, drafted=False) -> ReplyBody:
    body = ReplyBody()
    body.show_drafted(drafted)
    body.resize(600, 400)
    for piece in pieces:
        body.extend([piece])
    body.finish()
    wait_for_colours(body)
    return body


def wait_for_colours(body: ReplyBody) -> None:
    """Wait for the colours of its code."""
    for part in body.findChildren(CodeBlock):
        while part._job is not None:
            QCoreApplication.processEvents()


def looks(body: ReplyBody) -> list:
    """Everything that is shown, with its formats, as plain values."""
    shown = []
    for part in body._parts:
        document = part.body.document() if isinstance(part, CodeBlock) else part.document()
        block = document.firstBlock()
        while block.isValid():
            shape = block.blockFormat()
            marker = block.textList().format().style().value if block.textList() else None
            extra = [(f.start, f.length, f.format.foreground().color().name()) for f in block.layout().formats()]
            fragments = [
                (i.fragment().text(), i.fragment().charFormat().fontWeight(), i.fragment().charFormat().anchorHref())
                for i in block
            ]
            shown.append((type(part).__name__, shape.topMargin(), shape.indent(), marker, fragments, extra))
            block = block.next()
    return shown


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_a_streamed_reply_ends_as_if_rendered_at_once(qtbot, size):
    whole = rendered([(REPLY, False)])
    streamed = rendered([(REPLY[at : at + size], False) for at in range(0, len(REPLY), size)])
    qtbot.addWidget(whole)
    qtbot.addWidget(streamed)
    assert looks(streamed) == looks(whole)


def test_only_the_last_block_is_rendered_again(qtbot, monkeypatch):
    written = []
    write = FlowText.write
    monkeypatch.setattr(
        FlowText,
        "write",
        lambda self, blocks, keep, drafted: (written.append(blocks), write(self, blocks, keep, drafted)),
    )
    body = rendered([("Paragraph.\n\n" * 50, False), *[("word ", False)] * 20])
    qtbot.addWidget(body)
    assert all(len(blocks) == 1 for blocks in written[-20:])


def test_html_is_text_and_nothing_is_fetched(qtbot, monkeypatch):
    asked = []
    monkeypatch.setattr(FlowText, "loadResource", lambda self, kind, name: asked.append(name))
    text = (
        '<img src="http://evil.example/x.png"> <script>alert(1)</script> '
        "![p](http://evil.example/y.png) [x](javascript:a)"
    )
    body = rendered([(text, False)])
    qtbot.addWidget(body)
    body.show()
    body.grab()
    shown = body._parts[0].toPlainText()
    assert '<img src="http://evil.example/x.png"> <script>alert(1)</script>' in shown
    assert "[picture: p]" in shown
    assert "[x](javascript:a)" in shown
    assert asked == []


def test_carriage_returns_are_line_ends_that_keep_each_letters_origin():
    """The parser sees three lines here, of which an older reader knew one, and it failed."""
    (block,) = parse("a\rb\r\nc", bytes([0, 0, 1, 0, 0, 1]))
    shown = [(run.text, run.drafted) for run in block.items[0].runs if run.text != "\u2028"]
    assert shown == [("a", False), ("b", True), ("c", True)]


def test_letters_from_drafts_are_coloured_and_others_are_not(qtbot):
    pieces = [
        ("Some **bo", False),
        ("ld** text\n\n", True),
        ("```py\nx = ", False),
        ("1\ny", True),
        (" = 2\n```", False),
    ]
    body = rendered(pieces, drafted=True)
    qtbot.addWidget(body)
    flow, code = body._parts
    assert coloured(flow) == "ld text"
    assert coloured_code(code) == "1y"
    body.show_drafted(False)
    assert coloured(body._parts[0]) == ""
    assert coloured_code(body._parts[1]) == ""


def coloured(flow: FlowText) -> str:
    cursor, found = QTextCursor(flow.document()), ""
    while not cursor.atEnd():
        cursor.movePosition(QTextCursor.MoveOperation.NextCharacter, QTextCursor.MoveMode.KeepAnchor)
        if cursor.charFormat().background().color() == QColor(colours().drafted) and cursor.charFormat().hasProperty(
            0x820
        ):
            found += cursor.selectedText()
        cursor.clearSelection()
    return found


def coloured_code(code: CodeBlock) -> str:
    found, block = "", code.body.document().firstBlock()
    while block.isValid():
        for part in block.layout().formats():
            if part.format.hasProperty(0x820) and part.format.background().color() == QColor(colours().drafted):
                found += block.text()[part.start : part.start + part.length]
        block = block.next()
    return found


def test_code_is_highlighted_and_copied(qtbot):
    body = rendered([("```python\ndef f():\n    return 1\n```", False)])
    qtbot.addWidget(body)
    (code,) = body._parts
    first = code.body.document().firstBlock().layout().formats()[0]
    assert (first.start, first.length) == (0, 3)
    assert first.format.foreground().color() == QColor(colours().keyword)
    assert code.language.text() == "python"
    qtbot.mouseClick(code.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "def f():\n    return 1"


LISTING = "".join(f"value_{n} = compute({n}, 'text')  # line {n}\n" for n in range(80))


@pytest.mark.parametrize("turn", [0.0, 1e-4, 1.0], ids=["a step", "some steps", "all"])
def test_code_that_is_coloured_in_turns_ends_as_if_at_once(qtbot, monkeypatch, turn):
    """Also where it grows meanwhile, and where it turns out to be another."""
    monkeypatch.setattr(code_block, "_TURN_S", 1e9)
    at_once = rendered([(f"```python\n{LISTING}```", False)])
    monkeypatch.setattr(code_block, "_TURN_S", turn)
    monkeypatch.setattr(code_block, "_SHARE", 1e9)  # always time for the next colours
    grown = CodeBlock()
    for code in ("other = 'code'\nfor it in (1, 2): pass\n", *(LISTING[:end] for end in (40, 900, 2000))):
        (block,) = parse(f"```python\n{code}", b"")
        grown.show_block(block, False)
        QCoreApplication.processEvents()
    (block,) = parse(f"```python\n{LISTING}```", b"")
    grown.show_block(block, False, whole=True)
    (expected,) = at_once._parts
    qtbot.addWidget(at_once)
    qtbot.addWidget(grown)

    def colours_of(part):
        lines, line = [], part.body.document().firstBlock()
        while line.isValid():
            lines.append([(f.start, f.length, f.format.foreground().color().name()) for f in line.layout().formats()])
            line = line.next()
        return lines

    qtbot.waitUntil(lambda: grown._job is None)
    assert sum(map(len, colours_of(expected))) > 200
    assert colours_of(grown) == colours_of(expected)


@pytest.mark.parametrize(("answer", "opened"), [("Open", 1), ("Cancel", 0)])
def test_a_link_is_opened_only_when_the_user_agrees(qtbot, monkeypatch, answer, opened):
    pane = ChatPane()
    qtbot.addWidget(pane)
    pane.show_conversation(True)
    pane.show()
    qtbot.waitExposed(pane)
    calls, shown = [], []

    def reply(box):
        shown.append(box.informativeText())
        return QMessageBox.StandardButton[answer]

    monkeypatch.setattr(QMessageBox, "exec", reply)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: calls.append(url) or True)
    add_reply(pane.transcript).body.link_clicked.emit("https://example.org/x")
    assert shown == ["https://example.org/x"]
    assert len(calls) == opened


def test_a_link_that_is_no_web_address_is_never_opened(qtbot, monkeypatch):
    pane = ChatPane()
    qtbot.addWidget(pane)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: pytest.fail("opened"))
    pane.ask_to_open("file:///etc/passwd")
    assert "file:///etc/passwd" in pane.notice._label.text()


def test_it_follows_the_end_until_the_user_scrolls_up(qtbot):
    transcript = Transcript()
    qtbot.addWidget(transcript)
    transcript.resize(600, 300)
    transcript.show()
    qtbot.waitExposed(transcript)
    reply, bar = add_reply(transcript), transcript.verticalScrollBar()

    def grow():
        before = bar.maximum()
        reply.extend([("More text.\n\n" * 20, False)])
        qtbot.waitUntil(lambda: bar.maximum() > before)

    grow()
    qtbot.waitUntil(lambda: bar.value() == bar.maximum())
    bar.setValue(bar.maximum() // 2)
    middle = bar.value()
    grow()
    assert bar.value() == middle
    assert transcript.to_end.isVisible()
    qtbot.mouseClick(transcript.to_end, Qt.MouseButton.LeftButton)
    assert bar.value() == bar.maximum()


def test_code_blocks_show_all_their_lines(qtbot):
    transcript = Transcript()
    qtbot.addWidget(transcript)
    transcript.resize(700, 500)
    transcript.show()
    qtbot.waitExposed(transcript)
    reply = add_reply(transcript)
    for _ in range(30):
        reply.extend([("```py\n" if not reply.body.text else "line = 1\n", False)])
    qtbot.wait(50)
    body = reply.body._parts[0].body
    document = body.document()
    needed = sum(body.blockBoundingRect(document.findBlockByNumber(n)).height() for n in range(document.blockCount()))
    assert needed - 2 <= body.height() <= needed + 16


NESTED = """1. First
   ```python
   x = 1
   ```
   after
2. Second

   | a |
   |---|
   | 1 |

   - deep
     ```bash
     ls
     ```
> quoted
> ```
> code
> ```
"""


def test_code_in_lists_and_quotations_has_its_language_and_its_copy_button(qtbot):
    body = rendered([(NESTED, False)])
    qtbot.addWidget(body)
    codes = [part for part in body._parts if isinstance(part, CodeBlock)]
    assert [(code.language.text(), code.property("level")) for code in codes] == [
        ("python", 1),
        ("bash", 2),
        ("text", 1),
    ]
    qtbot.mouseClick(codes[1].copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "ls"
    texts = [part.toPlainText() for part in body._parts if isinstance(part, FlowText)]
    assert [text.split() for text in texts] == [["First"], ["after", "Second", "a", "1", "deep"], ["quoted"]]


@pytest.mark.parametrize("size", [1, 3, 11])
def test_nested_code_streams_into_what_one_rendering_would_be(qtbot, size):
    whole = rendered([(NESTED, False)])
    streamed = rendered([(NESTED[at : at + size], False) for at in range(0, len(NESTED), size)])
    qtbot.addWidget(whole)
    qtbot.addWidget(streamed)
    assert looks(streamed) == looks(whole)


def test_a_finished_item_of_a_list_is_not_rendered_again(qtbot):
    body = rendered([("1. One\n   ```py\n   x = 1\n   ```\n2. Two", False)])
    qtbot.addWidget(body)
    first, code, last = body._parts
    body.extend([(" and more", False)])
    assert body._parts == [first, code, last]
    assert last.toPlainText() == "Two and more"
