"""The page of a bench: everything is in it, nothing of it runs or is fetched, and plots draw what they are given."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from s3d_core.bench import plots
from s3d_core.bench.contenders import Reply
from s3d_core.bench.curves import Curve, Point
from s3d_core.bench.plots import Series, Spread
from s3d_core.bench.processes import Run, record
from s3d_core.bench.report import page
from s3d_core.bench.run import Row, summary
from s3d_core.settings import DraftSettings, SamplingSettings, as_dict

EVIL = "<script>alert(1)</script>\"'&"


def reply(ms, tokens=11, **more):
    return Reply(list(range(tokens)), 5.0, ms, 1, 5, [4, 2], [5, 5], **more)


def everything(name=EVIL):
    rows = [
        Row("plain", [reply(100.0, peak_bytes=300_000_000), reply(200.0)], [name, "chat"]),
        Row("s3d", [reply(50.0), reply(80.0)], [name, "chat"]),
        Row("hf", [reply(500.0), reply(0.0, tokens=1)], [name, "chat"]),
    ]
    point = Point(256, [1.2, 1.4], [120.0, 140.0], [100.0, 100.0], [30.0], [2.0, 2.5], [3.0, 4.0], [9.0, 9.5])
    further = Point(512, [1.1], [110.0], [100.0], [60.0], [2.0], [3.0], [9.0])
    settings = as_dict(DraftSettings()) | as_dict(SamplingSettings())
    where = {"model": name, "dtype": "float32", "device": "cpu", "threads": 2, "processor": name}
    quartiles = {"median": 0.5, "quartiles": [0.4, 0.6]}
    startup = {
        "starts": 2,
        "model_bytes": 10**8,
        "processes": [record(name, [Run(0, 1.0, 2.0, 10**8, 10**8, "", "")] * 2)],
        "copies": 1.04,
        "drafting": {
            "counted": {"adapter": 7 * 10**6, name: 10**6},
            "counted_bytes": 8 * 10**6,
            "counted_share": 0.08,
            "measured_bytes": 9 * 10**6,
            "measured_share": 0.09,
        },
    }
    return where | {
        "read_bandwidth": 20e9,
        "settings": settings,
        "results": summary(rows, 20e9),
        "curves": where
        | {
            "prompts": 2,
            "context_limit": 2048,
            "settings": settings,
            "curves": [Curve("context", "tokens of context", [point, further, Point(1024)]).record()],
        },
        "sweep": {
            "prompts": 2,
            "cells": [
                {"skipped": s, "draft_length": d, "speed_up": None if s else 1.0 + d / 10}
                for s in (0, 4)
                for d in (1, 2)
            ],
            "best": {"skipped": 4, "draft_length": 2, "speed_up": 1.2},
        },
        "exactness": {"positions": [{"exactness": 1.0, "relaxed_share": 0.0, "speed": quartiles}]},
        "startup": startup,
        "machine": {"processor": name},
        "versions": {"torch": name},
        "command": f"s3d bench {name}",
        "interrupted": True,
        "llama_cpp": name,
    }


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.handlers, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data + "\n"


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


def test_everything_measured_is_on_the_page():
    shown = read(page(everything("a model"))).text
    for words in (
        "S3D Bench: a model", "Side by side", "over plain", "peak memory", "300 MB", "Tokens per second", "By category",
        "Scaling curves", "By context", "Not reached in the time: 1,024.", "Sweep", "What relaxing costs",
        "Start-up and memory", "1.04 times", "What drafting adds", "8.00%", "9.00%", "stopped", "tree size",
        "up to 2,048 tokens",
    ):  # fmt: skip
        assert words in shown, words


def test_whatever_stands_in_the_json_is_text():
    text = page(everything())
    reader = read(text)
    assert "script" not in reader.tags
    assert reader.handlers == []
    assert EVIL in reader.text
    assert "<script" not in text


def test_nothing_is_fetched():
    text = page(everything())
    assert read(text).addresses == []
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text


def test_light_and_dark_have_colours_for_all_that_is_drawn():
    text = page(everything("a model"))
    assert text.count("prefers-color-scheme:dark") == 2
    wanted = set(re.findall(r"var\((--\w+)\)", text))
    light, dark = (
        set(re.findall(r"(--\w+):", part)) for part in (text, "".join(re.findall(r"dark\)\{:root\{[^}]*", text)))
    )
    assert wanted <= light & dark


def test_the_drawings_are_whole():
    drawn = re.findall(r"<svg.*?</svg>", page(everything()), re.DOTALL)
    assert len(drawn) == 9
    for one in drawn:
        ElementTree.fromstring(one)
        assert "nan" not in one
        assert "inf" not in one.replace("info", "")


@pytest.mark.parametrize("part", ["results", "curves", "sweep", "startup", "exactness"])
def test_a_page_of_one_part_alone(part):
    found = everything("a model")
    alone = {name: value for name, value in found.items() if name == part}
    assert "</html>" in page(alone)
    others = {"results", "curves", "sweep", "startup", "exactness"} - {part}
    assert "</html>" in page({name: value for name, value in found.items() if name not in others})


def test_what_could_not_be_timed_is_a_dash():
    rows = [Row(name, [reply(0.0, tokens=1)], ["chat"]) for name in ("plain", "s3d")]
    assert "<td>-</td>" in page({"results": summary(rows)})


def places(drawn, tag, *names):
    return [[float(e.get(name)) for name in names] for e in ElementTree.fromstring(drawn).iter(tag)]


def test_bars_are_as_long_as_their_medians():
    drawn = plots.bars([plots.Row("a", Spread(8, 10, 12)), plots.Row("b", Spread(19, 20, 21), 1)], "tokens/s")
    (first,), (second,) = places(drawn, "rect", "width")
    assert second == pytest.approx(2 * first, rel=0.01)


def test_dots_stand_by_their_values():
    drawn = plots.dots([plots.Row("a", [1.0, 2.0, 3.0])], "times plain")
    one, two, three = (x for (x,) in places(drawn, "circle", "cx"))
    assert two - one == pytest.approx(three - two, abs=0.11)


def test_a_logarithmic_axis_gives_doublings_equal_steps():
    points = [(x, Spread(y, y, y)) for x, y in ((256, 1.0), (512, 2.0), (1024, 3.0))]
    drawn = plots.lines([Series("a", points)], "context", "tokens/s", log=True)
    found = places(drawn, "circle", "cx", "cy")
    assert found[1][0] - found[0][0] == pytest.approx(found[2][0] - found[1][0], abs=0.11)
    assert found[0][1] - found[1][1] == pytest.approx(found[1][1] - found[2][1], abs=0.11)


@pytest.mark.parametrize(
    "drawn", [plots.bars([], "x"), plots.dots([], "x"), plots.lines([], "x", "y"), plots.heat([], "x", "y")]
)
def test_nothing_to_draw_is_no_fault(drawn):
    ElementTree.fromstring(drawn)


@pytest.mark.parametrize(("low", "high"), [(0, 0.003), (0, 1), (0.4, 3.7), (0, 1234), (0, 0)])
def test_ticks_are_round_and_hold_what_is_shown(low, high):
    ticks = plots._ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 9
