"""The real program on a display of its own, from start to quit, by mouse and keyboard alone.

With S3D_SHOTS set to a folder, pictures of every page in both themes and two sizes are put there, to be looked at.
"""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from end_to_end.display import PATIENCE, Visit, display, missing_tools
from PIL import ImageStat

from app.models import embedded, places

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="driven through Xvfb, which is for X11"),
    pytest.mark.skipif(bool(missing_tools()), reason="Xvfb or xdotool is missing: apt-get install xvfb xdotool"),
]
SIZES = ((1600, 1000), (1000, 700))
THEMES = (("light", "Light theme"), ("dark", "Dark theme"))
PAGES = ("Chat", "Sampling", "Model", "Appearance", "Shortcuts")
STORY = "Tell a long story of a lighthouse keeper and the sea, in ten chapters."


@pytest.fixture
def visit(default_model, tmp_path) -> Iterator[Visit]:
    """The program, just started, with a data folder of its own that has the default model and what is compiled."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "models" / embedded.DEFAULT_NAME).symlink_to(default_model.parent)
    places.compiled_dir().mkdir(parents=True, exist_ok=True)
    (home / "compiled").symlink_to(places.compiled_dir())
    (home / "settings.json").write_text(json.dumps({"version": 1, "chat": {"seed": 7}}))
    with display(*SIZES[0]) as name:
        visit = Visit(name, home)
        try:
            yield visit
        finally:
            visit.end()


def test_everyday_chatting_from_start_to_quit(visit, record_property):
    begun = time.monotonic()
    for step in (
        arrive,
        ask_regenerate_and_edit,
        stop_a_long_answer,
        search_among_chats,
        turn_a_slider_and_measure,
        hide_and_show_the_sides,
        serve_another_program,
        start_a_training_and_cancel_it,
        look_at_every_page,
        quit_program,
    ):
        step(visit)
        print(f"{time.monotonic() - begun:.1f} s: {step.__name__}")
    record_property("tour_s", round(time.monotonic() - begun, 1))


def arrive(visit: Visit) -> None:
    """The window comes, and the model behind it."""
    visit.wait_for(kind="window", text="S3D Chat")
    visit.resize(*SIZES[0])
    visit.focus_main()
    wait_ready(visit)


def ask_regenerate_and_edit(visit: Visit) -> None:
    """One question, a second answer to it, and another question in its place."""
    first = ask(visit, "Name three colours.")
    assert len(first["text"]) > 5
    assert json.loads(first["figures"])["drafted"] > 0

    visit.press("ctrl+r")
    second = answer_after(visit, first["id"])
    assert second["parent"] == first["parent"]
    visit.wait_for(kind="control", text="2/2")

    visit.scroll(visit.wait_for(name="Conversation"), up=60)  # it may be behind a long answer, or half so
    visit.click(visit.wait_still(name="Edit message", enabled=True))
    visit.wait_for(name="Edited message", focus=True)
    visit.press("ctrl+a")
    visit.type("Name three animals.")
    visit.press("Return")
    third = answer_after(visit, second["id"])
    asked = visit.rows("SELECT id, parent, text FROM messages WHERE role = 'user' ORDER BY id")
    assert [row["text"] for row in asked] == ["Name three colours.", "Name three animals."]
    assert asked[0]["parent"] == asked[1]["parent"]
    assert third["parent"] == asked[1]["id"]


def stop_a_long_answer(visit: Visit) -> None:
    """In a new chat; Escape ends it, and what was written stays."""
    last = ended(visit)[-1]["id"]
    visit.press("ctrl+n")
    visit.wait_gone(name="Your message")
    visit.type(STORY)
    visit.press("Return")
    visit.wait("the story's begin", lambda: visit.rows(f"SELECT 1 FROM messages WHERE id > {last + 1}"))
    visit.wait("some of the story", lambda: any(len(part["text"]) > 100 for part in visit.find(name="Reply")))
    visit.press("Escape")
    assert answer_after(visit, last)["stop_reason"] == "cancelled"


def search_among_chats(visit: Visit) -> None:
    """The word of an earlier chat finds it, and Enter opens it."""
    assert len(visit.rows("SELECT 1 FROM chats")) == 2
    visit.press("ctrl+k")
    visit.wait_for(name="Search chats", focus=True)
    visit.type("animals")
    visit.wait_for(kind="row", text="1 chat found")
    visit.press("Down", "Return")
    visit.wait_for(name="Your message", text="Name three animals.")
    visit.press("ctrl+k", "ctrl+a", "BackSpace", "Escape")


def turn_a_slider_and_measure(visit: Visit) -> None:
    """Dragged by its handle: Auto lets go. Then plain decoding is measured against what is chosen."""
    before = visit.wait_for(name="Draft length", enabled=True)
    assert visit.wait_for(name="Auto chooses")["checked"]
    middle = before["y"] + before["height"] / 2
    place = before["x"] + 8 + (before["width"] - 16) * (before["value"] - 1) / 7
    share = 0.85 if before["value"] <= 4 else 0.15  # away from where Auto has left it
    visit.drag((place, middle), (before["x"] + 8 + (before["width"] - 16) * share, middle))
    visit.wait("the slider to have moved", lambda: visit.find(name="Draft length")[0]["value"] != before["value"])
    visit.wait_for(name="Auto chooses", checked=False)
    visit.click(visit.wait_for(name="Measure plain against drafted", enabled=True))
    said = visit.wait_for(name="Result of measuring")["text"]
    assert "× the plain speed" in said
    assert "✓ The same" in said
    visit.click(visit.wait_for(name="Auto chooses"))
    visit.wait_for(name="Auto chooses", checked=True)


def hide_and_show_the_sides(visit: Visit) -> None:
    """The speed panel and the chats go and come by their keys."""
    visit.click(visit.wait_for(name="Message", kind="control"))
    for keys, name in (("ctrl+b", "Draft length"), ("ctrl+shift+s", "Search chats")):
        visit.press(keys)
        visit.wait_gone(name=name)
        visit.press(keys)
        visit.wait_for(name=name)


def serve_another_program(visit: Visit) -> None:
    """The server is turned on, another program gets an answer and one without the key none, and it is turned off."""
    visit.choose("Serve to other programs …")
    visit.wait_for(kind="window", text="Serve to other programs", focus=True)
    visit.click(visit.wait_for(name="Port", enabled=True))
    visit.press("ctrl+a")
    visit.type(str(free_port()))
    visit.press("Tab")
    visit.click(visit.wait_for(text="Start serving"))
    visit.wait_for(name="State of the server", text="The server is on.")
    address, key = (visit.wait_for(name=name)["text"] for name in ("Address", "Key"))
    status, told = asked_over_http(address, key, "Name a colour.")
    assert status == 200
    assert told["choices"][0]["message"]["content"]
    assert told["usage"]["completion_tokens"] > 0
    assert asked_over_http(address, "another key", "Name a colour.")[0] == 401
    visit.click(visit.wait_for(text="Stop serving"))
    visit.wait_for(name="State of the server", text="The server is off.")
    with pytest.raises(urllib.error.URLError, match="refused"):
        asked_over_http(address, key, "Name a colour.")
    visit.press("Escape")
    visit.wait_gone(kind="window", text="Serve to other programs")
    visit.focus_main()
    wait_ready(visit)


def start_a_training_and_cancel_it(visit: Visit) -> None:
    """It runs in a process of its own; what is cancelled leaves neither that nor a file."""
    visit.choose("Train drafts for this model …")
    opening = "Train drafts for "
    title = visit.wait(
        "the training's window",
        lambda: [p["text"] for p in visit.find(kind="window", focus=True) if p["text"].startswith(opening)],
    )[0]
    visit.click(visit.wait_for(text="Start", enabled=True))
    at_work = ("Measuring the speed before", "The model writes chats")
    visit.wait("the training to be at work", lambda: said_of_training(visit).startswith(at_work))
    folder = visit.home / "adapters" / title.removeprefix(opening)
    process = psutil.Process(json.loads((folder / "status.json").read_text(encoding="utf-8"))["process"][0])
    visit.click(visit.wait_for(text="Cancel training …"))
    visit.wait_for(kind="window", text="Cancel training", focus=True)
    visit.click(visit.wait_for(text="&Yes"))
    visit.wait("the end of the training", lambda: said_of_training(visit) == "")
    visit.wait("the end of its process", lambda: not process.is_running())
    assert not folder.exists()
    visit.press("Escape")
    visit.wait_gone(kind="window", text=title)
    visit.focus_main()


def look_at_every_page(visit: Visit) -> None:
    """Every page in both themes, in two sizes where pictures are wanted."""
    folder = os.environ.get("S3D_SHOTS")
    for width, height in SIZES if folder else SIZES[-1:]:
        visit.resize(width, height)
        for theme, line in THEMES:
            visit.focus_main()
            visit.choose(line)

            def shot(page: str, theme=theme, size=(width, height)) -> None:
                time.sleep(0.25)  # for the last of the drawing
                picture = visit.grab(*size)
                brightness = ImageStat.Stat(picture.convert("L")).median[0]
                assert brightness > 180 if theme == "light" else brightness < 80, (page, brightness)
                if folder:
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    picture.save(Path(folder) / f"{size[0]}-{theme}-{page}.png")

            visit.wait("the theme to be kept", lambda theme=theme: kept(visit).get("theme") == theme)
            look_through(visit, shot)


def look_through(visit: Visit, shot) -> None:
    """Open and close everything that there is to open."""
    shot("chat")
    visit.press("ctrl+n")
    visit.wait_gone(name="Your message")
    shot("empty")
    visit.press("ctrl+comma")
    visit.wait_for(kind="window", text="Settings", focus=True)
    for page in PAGES:
        visit.click(visit.wait_for(kind="row", text=page))
        shot(f"settings-{page.lower()}")
    visit.press("Escape")
    visit.wait_gone(kind="window", text="Settings")
    visit.focus_main()
    visit.press("ctrl+m")
    visit.wait_for(kind="window", text="Models", focus=True)
    visit.wait_for(kind="control", text=embedded.DEFAULT_NAME)
    shot("models")
    visit.press("Escape")
    visit.wait_gone(kind="window", text="Models")
    visit.focus_main()
    for page, line in (("server", "Serve to other programs …"), ("training", "Train drafts for this model …")):
        visit.choose(line)
        title = visit.wait(line, lambda: [p for p in visit.find(kind="window", focus=True) if p["text"] != "S3D Chat"])
        shot(page)
        visit.press("Escape")
        visit.wait_gone(kind="window", text=title[0]["text"])
        visit.focus_main()
    visit.press("ctrl+k")
    visit.type("animals")
    visit.wait_for(name="Search chats", text="animals")
    visit.press("Return")
    visit.wait_for(name="Your message", text="Name three animals.")
    visit.press("ctrl+k", "ctrl+a", "BackSpace", "Escape")


def quit_program(visit: Visit) -> None:
    """It ends in order, and nothing of it stays behind but what it should keep."""
    children = visit.program.children(recursive=True)
    visit.press("ctrl+q")
    assert visit.program.wait(60) == 0, visit.output
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert not list((visit.home / "runs").iterdir())
    assert "Traceback" not in visit.output
    log = visit.home / "s3d-chat.log"
    assert not log.exists() or log.read_text(encoding="utf-8") == ""
    assert visit.rows("PRAGMA integrity_check")[0][0] == "ok"
    assert not visit.rows("SELECT 1 FROM messages WHERE stop_reason IS NULL")


def wait_ready(visit: Visit) -> None:
    visit.wait_for(name="State", text="Ready")


def ask(visit: Visit, text: str):
    """The answer to a question that is typed."""
    last = max([row["id"] for row in ended(visit)], default=0)
    visit.type(text)
    visit.press("Return")
    return answer_after(visit, last)


def answer_after(visit: Visit, message: int):
    """The answer that ended after the one with this number."""
    found = visit.wait("an answer", lambda: [row for row in ended(visit) if row["id"] > message])
    wait_ready(visit)
    return found[-1]


def ended(visit: Visit) -> list:
    """The answers that have ended; none while one is written."""
    answers = visit.rows("SELECT * FROM messages WHERE role = 'assistant' ORDER BY id")
    return answers if all(row["stop_reason"] for row in answers) else []


def said_of_training(visit: Visit) -> str:
    """What the training's dialog says of it, empty where there is none."""
    found = visit.find(name="State of the training")
    return found[0]["text"] if found else ""


def asked_over_http(address: str, key: str, question: str) -> tuple[int, dict]:
    """Status and answer of the local server, asked as any program does."""
    body = {"model": embedded.DEFAULT_NAME, "messages": [{"role": "user", "content": question}], "max_tokens": 12}
    request = urllib.request.Request(
        f"{address}/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def kept(visit: Visit) -> dict:
    """The look as the settings file has it."""
    file = visit.home / "settings.json"
    return json.loads(file.read_text(encoding="utf-8"))["appearance"] if file.exists() else {}
