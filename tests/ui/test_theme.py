"""Both themes can be read, and switching reaches everything."""

import pytest
from PySide6.QtWidgets import QComboBox, QSpinBox
from ui.scripted import scripted_parts

from app.ui.theme import DARK, LIGHT, Theme, colours, contrast

GROUNDS = {
    "text": ("window", "surface", "raised", "bubble", "drafted", "code_ground", "accent_soft"),
    "muted": ("window", "surface", "raised", "code_head", "code_ground"),
    "on_accent": ("accent",),
    "link": ("window", "surface", "drafted"),
    "speed": ("surface",),
    "warning_text": ("warning_ground",),
    "error_text": ("error_ground",),
    **dict.fromkeys(("keyword", "string", "comment", "number", "name"), ("code_ground", "drafted")),
}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", GROUNDS)
def test_text_has_a_contrast_of_at_least_four_and_a_half(theme, text):
    for ground in GROUNDS[text]:
        assert contrast(getattr(theme, text), getattr(theme, ground)) >= 4.5, ground


def test_contrast_of_black_on_white_is_21():
    assert round(contrast("#000000", "#ffffff")) == 21


def test_the_menu_switches_between_dark_and_light(open_window, engine, say):
    window = open_window(scripted_parts(engine))
    say(window, "Hello")
    window.topbar.theme_actions["dark"].trigger()
    assert colours() is DARK
    assert window.chat.grab().toImage().pixelColor(5, 5).name() == DARK.window
    window.topbar.theme_actions["light"].trigger()
    assert colours() is LIGHT
    assert window.chat.grab().toImage().pixelColor(5, 5).name() == LIGHT.window


@pytest.mark.parametrize(("theme", "name"), [(LIGHT, "light"), (DARK, "dark")], ids=["light", "dark"])
@pytest.mark.parametrize("kind", [QComboBox, QSpinBox])
def test_boxes_of_every_kind_show_their_arrow(qapp, qtbot, kind, theme, name):
    """Also those that are not ours, as in the dialogs of Qt."""
    looks = Theme(qapp, name)
    box = kind()
    qtbot.addWidget(box)
    box.resize(160, 34)
    picture = box.grab().toImage()
    colours_shown = {picture.pixelColor(x, y).name() for x in range(134, 158) for y in range(5, 29)}
    assert theme.muted in colours_shown
    looks.deleteLater()
