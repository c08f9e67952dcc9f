"""Every word of the window can be translated, every translation is whole, and the window speaks it."""

import ast
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale
from ui.scripted import scripted_parts

from app.settings.values import APPEARANCE, CHAT, RUNNING
from app.training.job import EFFORTS
from app.ui.language import language_of, speak, spoken, translate
from app.ui.settings.words import DECLARED
from app.ui.training.words import EFFORT_NAMES

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import translate as tool  # noqa: E402

FILES = sorted((ROOT / "app" / "ui").rglob("*.py"))
MARKS = {"tr", "translate", "QT_TRANSLATE_NOOP"}
# Calls whose texts no user sees.
UNSEEN = {
    "setStyleSheet",
    "setObjectName",
    "setProperty",
    "getLogger",
    "QKeySequence",
    "Template",
    "strftime",
    "compile",
}
ELSEWHERE = {
    "app/ui/diagnostics.py": "the report is for the makers, who read it in English",
    "app/ui/shortcuts.py": "keys as Qt writes them",
}
# Names, units, and what stands for a picture in markdown that is read without Qt.
NAMES = {"S3D Chat", "hf_…", "[picture: {}]", "S3D"}
UNITS = re.compile(r"[{}. ]+|GB|MB|min|ms|s")
QUIET = re.compile(r"(background|color): ")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what looks like a sentence or a caption and is not marked for translation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if isinstance(above[node], ast.Expr | ast.JoinedStr | ast.FormattedValue) or not is_language(text):
            continue
        if not is_unseen(node, above):
            yield node.lineno, text


def is_language(text: str) -> bool:
    """Whether a text has words: two letters in a row, and a space or a capital at its beginning."""
    return bool(re.search("[A-Za-z]{2}", text)) and (" " in text.strip() or text[:1].isupper() or "…" in text)


def is_unseen(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    while (parent := above.get(node)) is not None:
        if isinstance(parent, ast.Call):
            name = parent.func.attr if isinstance(parent.func, ast.Attribute) else getattr(parent.func, "id", "")
            is_log = isinstance(parent.func, ast.Attribute) and getattr(parent.func.value, "id", "") == "log"
            if name in MARKS | UNSEEN or is_log:
                return True
        if isinstance(parent, ast.keyword) and parent.arg == "objectName":
            return True
        if isinstance(parent, ast.arg) or getattr(parent, "annotation", None) is node:
            return True
        if getattr(parent, "returns", None) is node:
            return True
        node = parent
    return False


def marked() -> set[str]:
    """Every text that is given to a function that translates or marks it."""
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                place = {"tr": 0, "translate": 1, "QT_TRANSLATE_NOOP": 1}.get(name)
                if place is not None and isinstance(node.args[place], ast.Constant):
                    found.add(node.args[place].value)
    return found


@pytest.fixture
def german(qapp):
    assert speak("de") == "de"
    yield
    speak("en")


def test_every_visible_text_can_be_translated():
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in FILES
        if path.relative_to(ROOT).as_posix() not in ELSEWHERE
        for line, text in texts(path)
        if text not in NAMES and UNITS.sub("", text) and not QUIET.search(text)
    ]
    assert not missing, "\n".join(missing)


def test_a_text_that_is_not_marked_is_found(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        'label.setText("Two words")\nlabel.setText(self.tr("Marked"))\nlabel.setToolTip(f"Has {n} of them")\n'
    )
    assert list(texts(path)) == [(1, "Two words"), (3, "Has {} of them")]


def test_no_text_is_put_together_before_it_is_translated():
    """`tr(f"…")` would look for a text that no file of words has."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if name in MARKS:
                    assert not any(isinstance(given, ast.JoinedStr | ast.BinOp) for given in node.args), (
                        path,
                        node.lineno,
                    )


def test_the_translators_get_every_text():
    assert {source for _, source in tool.extracted()} == marked()


def test_what_is_declared_elsewhere_is_marked_too():
    declared = [*CHAT.values(), *APPEARANCE.values(), *RUNNING.values()]
    words = {word for one in declared for word in (one.title, one.about, one.none, one.unit) if word}
    words |= {shown for one in declared for _, shown in one.choices}
    assert set(DECLARED) == words
    assert tuple(effort.name for effort in EFFORTS) == EFFORT_NAMES


@pytest.mark.parametrize("language", spoken())
def test_a_translation_has_every_word_and_its_places(language):
    path = tool.FOLDER / f"s3d_{language}.ts"
    held = tool.translations(path)
    assert set(held) == set(tool.words_of(language, tool.extracted())), "run `python tools/translate.py`"
    for (context, source), forms in held.items():
        assert all(form.strip() for form in forms), (context, source)
        for form in forms:
            assert places(form) == places(source), (context, source)
            assert "%n" not in form or "%n" in source
    assert 'type="unfinished"' not in path.read_text(encoding="utf-8")


def places(text: str) -> set[str]:
    """The names between braces, with what says how they are written."""
    return {f"{name}:{how}" for _, name, how, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", spoken())
def test_what_is_compiled_is_what_was_translated(language, tmp_path):
    tool.compiled(tool.FOLDER / f"s3d_{language}.ts", tmp_path / "made.qm")
    held = (tool.FOLDER / f"s3d_{language}.qm").read_bytes()
    assert (tmp_path / "made.qm").read_bytes() == held, "run `python tools/translate.py`"


def test_every_language_can_be_chosen():
    assert {value for value, _ in APPEARANCE["language"].choices} == {"system", *spoken()}


@pytest.mark.parametrize(
    ("wish", "system", "language"),
    [
        ("system", ["de-AT", "en-US"], "de"),
        ("system", ["fr-FR", "de"], "de"),
        ("system", ["xx"], "en"),
        ("system", [], "en"),
        ("de", ["en-US"], "de"),
        ("en", ["de-DE"], "en"),
    ],
)
def test_the_systems_language_is_spoken_unless_another_is_chosen(monkeypatch, wish, system, language):
    monkeypatch.setattr(QLocale, "uiLanguages", lambda self: system)
    assert language_of(wish) == language


def test_the_window_speaks_german(german, open_window, engine, say):
    window = open_window(scripted_parts(engine))
    say(window, "Hallo")
    assert window.topbar.phase_label.text() == "Bereit"
    assert window.sidebar.model.rows[0].text == "Heute"
    assert window.panel.skipped.name.text() == "Ausgelassene Schichten"
    assert "Token je Runde" in window.chat.transcript.messages[-1].foot.figures.text()
    window.desk.show_settings()
    assert window.desk._dialog.windowTitle() == "Einstellungen"
    assert window.desk._dialog.sampling.rows["seed"].control.field.accessibleName() == "Startwert"
    window.desk._dialog.close()


def test_a_number_has_its_form(german, qapp):
    assert [translate("Chats", "%n chat(s) found", "", n) for n in (1, 2)] == ["1 Chat gefunden", "2 Chats gefunden"]
    speak("en")
    assert [translate("Chats", "%n chat(s) found", "", n) for n in (1, 2)] == ["1 chat found", "2 chats found"]
