"""Light and dark: one table of colours, from which the palette, the style sheet and the drawings take theirs."""

from dataclasses import asdict, dataclass
from string import Template

from PySide6.QtCore import QDir, QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from app.ui.resources import resource

MODES = ("system", "light", "dark")
# QFont::SizeResolved, to which PySide gives no name.
_SIZE_RESOLVED = 0x0002


@dataclass(frozen=True)
class Colours:
    """Text colours have a contrast of at least 4.5 on every ground they are used on."""

    window: str
    surface: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_soft: str
    speed: str
    speed_soft: str
    drafted: str
    rejected: str
    bubble: str
    code_ground: str
    code_head: str
    warning_ground: str
    warning_text: str
    error_ground: str
    error_text: str
    link: str
    keyword: str
    string: str
    comment: str
    number: str
    name: str


LIGHT = Colours(
    window="#f6f7f9",
    surface="#ffffff",
    raised="#eef0f4",
    line="#d8dce4",
    text="#1a1d23",
    muted="#565d6b",
    accent="#3b4cca",
    on_accent="#ffffff",
    accent_soft="#e2e6fb",
    speed="#0a7350",
    speed_soft="#d3efe3",
    drafted="#c8efd9",
    rejected="#a9d9c3",
    bubble="#e4e8fb",
    code_ground="#f3f4f7",
    code_head="#e7e9ef",
    warning_ground="#fff3d6",
    warning_text="#5f4300",
    error_ground="#fde4e3",
    error_text="#8c1d18",
    link="#2f45c5",
    keyword="#7a2aa8",
    string="#1b6b2f",
    comment="#5a6170",
    number="#9a4a00",
    name="#1f55b5",
)

DARK = Colours(
    window="#14161b",
    surface="#1b1e25",
    raised="#252933",
    line="#343a47",
    text="#e6e8ee",
    muted="#a2a9b8",
    accent="#8b9bff",
    on_accent="#10131f",
    accent_soft="#2a3154",
    speed="#48cb92",
    speed_soft="#17382c",
    drafted="#1a4331",
    rejected="#2d5f49",
    bubble="#2a3050",
    code_ground="#101217",
    code_head="#20242d",
    warning_ground="#3c310f",
    warning_text="#f4d58a",
    error_ground="#46201f",
    error_text="#ffb9b3",
    link="#a3b0ff",
    keyword="#d3a2f2",
    string="#8fd6a0",
    comment="#a2aaba",
    number="#efae72",
    name="#8fb8ff",
)

_current = LIGHT


def colours() -> Colours:
    """The colours in use. Drawings ask each time they draw."""
    return _current


def contrast(first: str, second: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""

    def luminance(colour: str) -> float:
        paint = QColor(colour)
        levels = (paint.redF(), paint.greenF(), paint.blueF())
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def text_font() -> QFont:
    """The font of messages: the system's, a little larger."""
    font = QApplication.font()
    font.setPointSizeF(font.pointSizeF() + 0.75)
    return font


def code_font() -> QFont:
    """The system's fixed-width font at the text's size."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(QApplication.font().pointSizeF())
    return font


class Theme(QObject):
    """Keeps the application in the chosen mode, following the system where that is chosen.

    Signals:
        changed: the colours are others now; drawn things and documents renew themselves.
    """

    changed = Signal()

    def __init__(self, application: QApplication, mode: str = "system", parent: QObject | None = None):
        super().__init__(parent or application)
        self._application = application
        self._own_size = application.font().pointSizeF()
        self.mode = mode if mode in MODES else "system"
        QDir.setSearchPaths("styles", [str(resource("styles"))])
        application.styleHints().colorSchemeChanged.connect(self._apply)
        self._apply()

    @property
    def is_dark(self) -> bool:
        """The dark colours are in use."""
        return _current is DARK

    def set_mode(self, mode: str) -> None:
        """One of `MODES`."""
        self.mode = mode
        scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(mode, Qt.ColorScheme.Unknown)
        # Native frames and dialogs follow this; platforms without schemes ignore it.
        self._application.styleHints().setColorScheme(scheme)
        self._apply()

    def set_font_size(self, points: float | None) -> None:
        """The size of all text in points; None is the system's."""
        font, before = self._application.font(), self._application.font().pointSizeF()
        after = float(points or self._own_size)
        if after == before:
            return
        # A size that a widget was given does not follow the application's by itself.
        given = [(widget, widget.font()) for widget in self._application.allWidgets() if _has_own_size(widget)]
        font.setPointSizeF(after)
        self._application.setFont(font)
        self._dress()  # first: a style sheet that is set anew brings the fonts back that it found
        for widget, own in given:
            own.setPointSizeF(own.pointSizeF() * after / before)
            widget.setFont(own)
        self.changed.emit()

    def _apply(self) -> None:
        self._dress()
        self.changed.emit()

    def _dress(self) -> None:
        global _current
        system = self._application.styleHints().colorScheme()
        dark = self.mode == "dark" or (self.mode == "system" and system == Qt.ColorScheme.Dark)
        _current = DARK if dark else LIGHT
        self._application.setPalette(_palette(_current))
        sheet = resource("styles", "app.qss").read_text(encoding="utf-8")
        arrows = "dark" if dark else "light"
        self._application.setStyleSheet(Template(sheet).substitute(asdict(_current), arrows=arrows))


def _has_own_size(widget: QWidget) -> bool:
    """Whether somebody gave this widget a font with a size; a bold one alone still follows the application's."""
    return widget.testAttribute(Qt.WidgetAttribute.WA_SetFont) and bool(widget.font().resolveMask() & _SIZE_RESOLVED)


def _palette(of: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for where, colour in {
        role.Window: of.window,
        role.WindowText: of.text,
        role.Base: of.surface,
        role.AlternateBase: of.raised,
        role.Text: of.text,
        role.Button: of.raised,
        role.ButtonText: of.text,
        role.ToolTipBase: of.raised,
        role.ToolTipText: of.text,
        role.PlaceholderText: of.muted,
        role.Highlight: of.accent,
        role.HighlightedText: of.on_accent,
        role.Link: of.link,
        role.Accent: of.accent,
    }.items():
        palette.setColor(where, QColor(colour))
    for where in (role.Text, role.ButtonText, role.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, QColor(of.muted))
    return palette
