"""Brings the translations up to the window's words: `python tools/translate.py` after any change of a visible text.

It takes the words out of `app/ui` with Qt's lupdate, puts them into `resources/translations/s3d_<language>.ts`, where
translations that are there stay, and compiles each with Qt's lrelease. A new language begins with an empty
`s3d_<language>.ts`. What has no translation yet is named, and is shown in English.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "translations"
SOURCE = "en"  # its file holds what changes with a number alone: all else is in the code
FORMS = {"en": 2, "de": 2}

Key = tuple[str, str]


def tool(name: str) -> str:
    """The program of this name that PySide brings along."""
    import PySide6

    folder = Path(PySide6.__file__).parent
    return str(next(path for path in (folder / name, folder / f"{name}.exe") if path.exists()))


def extracted() -> list[Key]:
    """(context, text) of every word of the window, in the order of contexts and places."""
    files = sorted(map(str, (ROOT / "app" / "ui").rglob("*.py")))
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.ts"
        command = [tool("lupdate"), *files, "-locations", "none", "-silent", "-ts", str(found)]
        subprocess.run(command, check=True, cwd=ROOT)
        return list(translations(found))


def translations(path: Path) -> dict[Key, list[str]]:
    """The translation of each (context, text) in a file: one, or one for each form of a number; empty where missing."""
    found = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for context in ElementTree.fromstring(text).iter("context") if text.strip() else ():
        name = context.findtext("name") or ""
        for message in context.iter("message"):
            held = message.find("translation")
            forms = [form.text or "" for form in message.iter("numerusform")]
            found[name, message.findtext("source") or ""] = forms or ["" if held is None else held.text or ""]
    return found


def written(words: list[Key], known: dict[Key, list[str]], language: str) -> str:
    """The file of a language with these words."""
    root = ElementTree.Element("TS", version="2.1", language=language, sourcelanguage=SOURCE)
    contexts: dict[str, ElementTree.Element] = {}
    for context, source in words:
        if context not in contexts:
            contexts[context] = ElementTree.SubElement(root, "context")
            ElementTree.SubElement(contexts[context], "name").text = context
        message = ElementTree.SubElement(contexts[context], "message")
        ElementTree.SubElement(message, "source").text = source
        translation = ElementTree.SubElement(message, "translation")
        count = FORMS[language] if "%n" in source else 1
        forms = (known.get((context, source), []) + [""] * count)[:count]
        if not all(forms):
            translation.set("type", "unfinished")
        if "%n" in source:
            message.set("numerus", "yes")
            for form in forms:
                ElementTree.SubElement(translation, "numerusform").text = form
        else:
            translation.text = forms[0]
    ElementTree.indent(root, "    ")
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{body}\n'


def words_of(language: str, words: list[Key]) -> list[Key]:
    """Those of the words that a language's file holds."""
    return [(context, source) for context, source in words if language != SOURCE or "%n" in source]


def compiled(source: Path, target: Path) -> None:
    """Compile one file. A program that runs has the old one open, which must not change under it."""
    made = target.with_name(target.name + ".part")
    subprocess.run([tool("lrelease"), "-silent", str(source), "-qm", str(made)], check=True)
    made.replace(target)


def main() -> int:
    """Update and compile every language; fails where a word has no translation."""
    words, missing = extracted(), 0
    for path in sorted(FOLDER.glob("s3d_*.ts")):
        language = path.stem.removeprefix("s3d_")
        known = translations(path)
        path.write_text(written(words_of(language, words), known, language), encoding="utf-8")
        compiled(path, path.with_suffix(".qm"))
        for (context, source), forms in translations(path).items():
            if not all(forms):
                missing += 1
                print(f"{path.name}: {context}: {source!r} has no translation.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
