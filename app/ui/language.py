"""The window's language: which there are, and the words of the chosen one.

What the window itself says is translated. Sentences made outside of it, about errors and what the decoder does, are the
terminal's and the server's too, and stay English.
"""

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from app.ui.resources import resource

SOURCE = "en"
translate = QCoreApplication.translate
_in_use: list[QTranslator] = []


def QT_TRANSLATE_NOOP(context: str, text: str) -> str:  # noqa: N802 - Qt's name, by which its tools find the text
    """Mark a text that is translated where it is shown. Qt's own says nothing of the type it returns."""
    return text


def spoken() -> tuple[str, ...]:
    """The languages with a translation, as their two letters; that of the source is one for its plurals."""
    return tuple(sorted(path.stem.removeprefix("s3d_") for path in resource("translations").glob("s3d_*.qm")))


def language_of(wish: str) -> str:
    """The language to speak: the one wished for, or with "system" the first of the system's that there is."""
    wishes = QLocale.system().uiLanguages() if wish == "system" else [wish]
    known = spoken()
    # "de-AT", "de": what comes first that is known.
    return next((found for name in wishes if (found := name.replace("_", "-").partition("-")[0]) in known), SOURCE)


def speak(wish: str) -> str:
    """Load the words of a language for all windows that are made from now on; returns its two letters."""
    while _in_use:
        QCoreApplication.removeTranslator(_in_use.pop())
    language = language_of(wish)
    of_qt = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    for name, folder in ((f"qtbase_{language}", of_qt), (f"s3d_{language}", str(resource("translations")))):
        translator = QTranslator()
        if translator.load(name, folder):
            QCoreApplication.installTranslator(translator)
            _in_use.append(translator)
    return language
