"""The model library driven by keys and clicks, with real downloads from a hub on the loopback interface."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.fixtures import NAME, fresh_session
from hub.models import whole_repo
from hub.server import Fault
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAccessible, QDropEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit, QMessageBox
from ui.scripted import scripted_parts

from app.hardware import MemoryReading
from app.models import imports, journal, library, places
from app.models.downloads import State
from app.models.wanted import parse
from app.ui.models.token import TokenDialog

PATIENCE_MS = 60_000
GIB = 1024**3


@pytest.fixture(autouse=True)
def connections(open_window) -> Iterator[None]:
    """Connections that are kept open keep threads of the hub alive, which are not the window's."""
    yield
    fresh_session()


@pytest.fixture
def page(hub, open_window, engine, qtbot):
    """The library of a real window, opened by its shortcut."""
    window = open_window(scripted_parts(engine))
    window.show_memory(MemoryReading("GPU", True, 8 * GIB, 0, GIB, "A card"))
    qtbot.keyClick(window, Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.library is not None and window.library.isVisible())
    return window.library


def wait(qtbot, condition) -> None:
    qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_MS)


def names(rows) -> list[str]:
    return [row.name for row in rows if not row.isHidden()]


def click(qtbot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def typed(page, qtbot, text: str) -> None:
    page.search.setFocus()
    qtbot.keyClicks(page.search, text)
    qtbot.keyClick(page.search, Qt.Key.Key_Return)


def test_a_model_is_fetched_by_keyboard_and_appears_here_and_in_the_bar(page, hub, qtbot):
    typed(page, qtbot, NAME)
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["Tiny-Chat"])
    assert page.notice.text == "Tiny-Chat is here and whole."
    assert page.shelf.downloads.isHidden()
    assert library.verify("Tiny-Chat")
    bar = page.parent().topbar.models
    wait(qtbot, lambda: bar.itemText(0) == "Tiny-Chat")
    assert bar.itemText(bar.count() - 1) == "Manage models …"


def test_the_models_box_opens_the_library_and_keeps_its_model(page, qtbot):
    window = page.parent()
    page.hide()
    bar = window.topbar.models
    shown = bar.currentText()
    bar.activated.emit(bar.count() - 1)
    wait(qtbot, page.isVisible)
    assert bar.currentText() == shown


def test_pause_resume_and_cancel(page, hub, qtbot):
    hub.bytes_per_second = 60_000
    typed(page, qtbot, NAME)
    wait(qtbot, lambda: page.downloads.items() and page.downloads.items()[0].progress.done > 0)
    (row,) = page.shelf.downloads.rows
    click(qtbot, row.pause)
    page._show_fits()
    assert row.pill.text() == "Fits"
    wait(qtbot, lambda: row.resume.isVisible() and "Paused" in row.facts.text())
    assert library.installed() == []
    click(qtbot, row.resume)
    wait(qtbot, lambda: row.pause.isVisible())
    click(qtbot, row.cancel)
    wait(qtbot, lambda: page.downloads.items() == [] and page.shelf.downloads.isHidden())
    assert journal.unfinished() == []
    assert library.installed() == []


def test_a_download_of_an_earlier_run_waits_to_be_gone_on_with(hub, open_window, engine, qtbot):
    hub.bytes_per_second = 60_000
    first = open_window(scripted_parts(engine))
    first.manage_models()
    first.library.start(parse(NAME))
    wait(qtbot, lambda: hub.sent["model-00001-of-00002.safetensors"] > 30_000)
    first.close()
    wait(qtbot, lambda: first.link.is_closed and journal.unfinished()[0].here() > 20_000)
    hub.bytes_per_second = None
    second = open_window(scripted_parts(engine))
    second.manage_models()
    (item,) = second.library.downloads.items()
    assert (item.state, item.progress.done > 20_000) == (State.PAUSED, True)
    wait(qtbot, lambda: len(second.library.shelf.downloads.rows) == 1)
    click(qtbot, second.library.shelf.downloads.rows[0].resume)
    wait(qtbot, lambda: names(second.library.shelf.installed.rows) == ["Tiny-Chat"])
    total = sum(len(body) for body in hub.repos[NAME].files.values())
    assert sum(hub.sent.values()) <= total


def test_a_failure_is_one_sentence_in_its_row_and_can_be_tried_again(page, hub, qtbot):
    hub.faults["api"].append(Fault("status", status=429, retry_after=86_400))
    typed(page, qtbot, NAME)
    wait(qtbot, lambda: page.shelf.downloads.rows and page.shelf.downloads.rows[0].resume.isVisible())
    (row,) = page.shelf.downloads.rows
    assert "asks to wait because of too many requests" in row.facts.text()
    click(qtbot, row.resume)
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["Tiny-Chat"])


def test_a_gated_model_asks_for_a_token_and_goes_on_with_it(page, hub, qtbot):
    hub.repos[NAME] = whole_repo(gated=True, allowed=("hf_right",))
    typed(page, qtbot, NAME)
    wait(qtbot, lambda: page.shelf.downloads.rows and page.shelf.downloads.rows[0].token.isVisible())
    click(qtbot, page.shelf.downloads.rows[0].token)
    (dialog,) = page.findChildren(TokenDialog)
    qtbot.keyClicks(dialog.field, "hf_right")
    qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["Tiny-Chat"])


def test_what_is_typed_filters_the_models(page, qtbot):
    qtbot.keyClicks(page.search, "phi mini")
    assert len(names(page.shelf.available.rows)) == 4
    page.search.setText("nothing like it")
    assert "No model here is called “nothing like it”" in page.shelf.nothing.text()
    assert not page.fetch.isEnabled()
    page.search.setText("owner/name")
    assert page.fetch.isEnabled()
    assert len(names(page.shelf.available.rows)) == 11


def test_pills_say_whether_a_model_fits_with_the_numbers_on_hover(page, qtbot):
    rows = {row.name: row for row in page.shelf.available.rows}
    wait(qtbot, lambda: rows["Qwen3-0.6B"].pill.isVisible())
    assert rows["Qwen3-0.6B"].pill.text() == "Fits"
    assert "K/V cache for 4,096 tokens" in rows["Qwen3-0.6B"].pill.toolTip()
    assert rows["Qwen3-4B"].pill.text() == "Won't fit"


@pytest.fixture
def own_model(tmp_path) -> Path:
    """A model of the user's own, elsewhere."""
    folder = tmp_path / "mine" / "My-Model"
    folder.mkdir(parents=True)
    for path, body in whole_repo(shards=1).files.items():
        if "/" not in path:
            (folder / path).write_bytes(body)
    return folder


@pytest.mark.parametrize("in_place", [True, False])
def test_a_dropped_folder_is_imported_loaded_and_deleted_and_the_users_own_stays(page, own_model, qtbot, in_place):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(own_model))])
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    page.dropEvent(QDropEvent(QPointF(9, 9), actions, data, buttons, Qt.KeyboardModifier.NoModifier))
    box = page.findChild(QMessageBox)
    wanted = "Use in place" if in_place else "Copy"
    click(qtbot, next(button for button in box.buttons() if button.text() == wanted))
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["My-Model"])
    (row,) = page.shelf.installed.rows
    assert row.model.in_place is in_place
    click(qtbot, row.verify)
    wait(qtbot, lambda: "is whole" in page.notice.text)
    click(qtbot, row.remove)
    box = next(box for box in page.findChildren(QMessageBox) if box.isVisible())
    wanted = "Remove" if in_place else "Delete"
    click(qtbot, next(button for button in box.buttons() if button.text() == wanted))
    wait(qtbot, lambda: page.shelf.installed.isHidden())
    assert (own_model / "model.safetensors").exists()
    assert [p.name for p in places.models_dir().iterdir() if not p.name.startswith(".")] == []


def test_deleting_asks_and_cancel_keeps_the_model(page, own_model, qtbot):
    imports.import_copy(own_model)
    page.refresh()
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["My-Model"])
    click(qtbot, page.shelf.installed.rows[0].remove)
    box = next(box for box in page.findChildren(QMessageBox) if box.isVisible())
    assert box.defaultButton() is box.button(QMessageBox.StandardButton.Cancel)
    qtbot.keyClick(box, Qt.Key.Key_Escape)
    assert [model.name for model in library.installed()] == ["My-Model"]


def test_load_and_unload_go_through_the_link(page, own_model, engine, qtbot):
    imports.import_copy(own_model)
    page.refresh()
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["My-Model"])
    (row,) = page.shelf.installed.rows
    engine.info = type(engine.info)(**{**vars(engine.info), "path": str(row.model.path), "name": "My-Model"})
    click(qtbot, row.load)
    wait(qtbot, row.unload.isVisible)
    click(qtbot, row.unload)
    wait(qtbot, row.load.isVisible)
    assert page.link.info is None


def test_what_is_no_model_is_refused_in_one_sentence(page, tmp_path, qtbot):
    (tmp_path / "notes.txt").write_text("hello")
    page.bringing.bring(tmp_path / "notes.txt", in_place=True)
    wait(qtbot, lambda: "is not a model" in page.notice.text)


def test_every_control_has_a_name_a_tooltip_and_a_place_in_the_tab_order(page, own_model, qtbot):
    imports.import_in_place(own_model)
    page.start(parse("someone/Nothing"))
    page.refresh()
    wait(qtbot, lambda: names(page.shelf.installed.rows) and page.shelf.downloads.rows)
    wait(qtbot, lambda: page.downloads.items()[0].state is State.FAILED)
    controls = [*page.findChildren(QAbstractButton), *page.findChildren(QLineEdit)]
    controls = [control for control in controls if control.isVisible() and "qt_" not in control.objectName()]
    assert len(controls) > 15
    for control in controls:
        seen = QAccessible.queryAccessibleInterface(control)
        assert seen.text(QAccessible.Text.Name), control
        assert control.toolTip(), control
        # What clears the search is Escape's and Backspace's work on the keyboard.
        if control.parent() is not page.search:
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, control
    spoken = [QAccessible.queryAccessibleInterface(control).text(QAccessible.Text.Name) for control in controls]
    assert len(set(spoken)) == len(spoken), "two controls are called the same"


def test_tab_goes_from_the_search_through_the_rows(page, own_model, qtbot):
    imports.import_in_place(own_model)
    page.refresh()
    wait(qtbot, lambda: names(page.shelf.installed.rows) == ["My-Model"])
    page.activateWindow()
    page.search.setText("My-Model")
    page.search.setFocus()
    seen = []
    for _ in range(8):
        qtbot.keyClick(QApplication.focusWidget() or page.search, Qt.Key.Key_Tab)
        focus = page.focusWidget()
        seen.append(QAccessible.queryAccessibleInterface(focus).text(QAccessible.Text.Name))
    wanted = ["Import …", "Token …", "Load My-Model", "Verify My-Model", "Remove My-Model"]
    assert [name for name in seen if name in wanted][:5] == wanted
