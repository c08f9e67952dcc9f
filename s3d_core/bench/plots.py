"""Plots as SVG inside a page: no script, no file beside it, colours by the page's style sheet.

The classes that are drawn with are those of `STYLE`, which has a light and a dark form; series are numbered s0, s1, ...
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

# Series colours for light and dark ground, told apart by people who see red and green alike too.
_SERIES = (
    ("#3b4cca", "#8b9bff"),
    ("#0a7350", "#48cb92"),
    ("#b3531a", "#f0a86b"),
    ("#8a2f8f", "#dd9be2"),
    ("#5a6170", "#a9b1c1"),
    ("#937100", "#dcbc4e"),
    ("#b02a4c", "#ff93ab"),
    ("#1b7a94", "#6fcbe4"),
)
_LIGHT, _DARK = ("".join(f"--s{number}:{pair[shade]};" for number, pair in enumerate(_SERIES)) for shade in (0, 1))
STYLE = (
    f":root{{{_LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    "svg{display:block;width:100%;height:auto;font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums}"
    "svg text{fill:var(--text)}svg .faint{fill:var(--muted)}svg .grid{stroke:var(--line)}"
    "svg .mark{stroke:var(--muted);stroke-dasharray:4 3}svg .line{fill:none;stroke-width:2;stroke-linejoin:round}"
    "svg .band{opacity:.15}svg .bar{opacity:.28}svg .dot{opacity:.55}"
    + "".join(f"svg .s{n}{{stroke:var(--s{n})}}svg .f{n}{{fill:var(--s{n})}}" for n in range(len(_SERIES)))
)
_WIDTH, _RIGHT, _ROW = 520, 20, 30
_LETTER = 6.9  # of a text's width, on the safe side


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    lower: float
    median: float
    upper: float


@dataclass(frozen=True)
class Series:
    """A line's name and points (x, spread), by ascending x, and the number of its colour."""

    name: str
    points: Sequence[tuple[float, Spread]]
    colour: int = 0


class Row(NamedTuple):
    """What one row of bars or dots is of, and the number of its colour."""

    name: str
    found: Any
    colour: int = 0


def bars(rows: Sequence[Row], unit: str) -> str:
    """A bar a row, up to the median of its `Spread`, a line from quartile to quartile, and the median in figures."""
    left = _label_width([row.name for row in rows])
    ticks = _ticks(0, max((row.found.upper for row in rows), default=1))
    scale = _Scale(0, ticks[-1], left, _WIDTH - _RIGHT - 56)
    bottom = 8 + len(rows) * _ROW
    parts = [_columns(scale, ticks, 8, bottom, unit)]
    for number, (name, spread, colour) in enumerate(rows):
        middle = 8 + number * _ROW + _ROW / 2
        low, at, high = (scale(value) for value in (spread.lower, spread.median, spread.upper))
        parts += [
            _text(left - 10, middle + 4, name, "end"),
            f'<rect class="bar f{colour}" x="{left}" y="{middle - 9:.1f}" width="{at - left:.1f}" height="18" rx="3"/>',
            f'<path class="line s{colour}" d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 5:.1f}v10'
            f'M{high:.1f} {middle - 5:.1f}v10"/>'
            if high > low
            else "",
            f'<circle class="f{colour}" cx="{at:.1f}" cy="{middle:.1f}" r="4"/>',
            _text(max(high, at) + 9, middle + 4, _figure(spread.median)),
        ]
    return _svg(bottom + 44, parts, f"{unit}: " + ", ".join(f"{row.name} {_figure(row.found.median)}" for row in rows))


def dots(rows: Sequence[Row], unit: str, mark: float = 1.0) -> str:
    """A dot for each of a row's numbers, with a stroke at the median; a broken line stands at `mark`."""
    left = _label_width([row.name for row in rows])
    values = [value for row in rows for value in row.found] or [mark]
    ticks = _ticks(min(0.0, *values), max(mark, *values))
    scale = _Scale(ticks[0], ticks[-1], left, _WIDTH - _RIGHT - 56)
    bottom = 8 + len(rows) * _ROW
    parts = [_columns(scale, ticks, 8, bottom, unit)]
    parts.append(f'<path class="mark" d="M{scale(mark):.1f} 4V{bottom}"/>')
    for number, (name, found, colour) in enumerate(rows):
        middle = 8 + number * _ROW + _ROW / 2
        parts.append(_text(left - 10, middle + 4, name, "end"))
        # Dots that would hide each other are moved apart, a little up and down.
        for place, value in enumerate(sorted(found)):
            y = middle + (-5, 0, 5)[place % 3]
            parts.append(f'<circle class="dot f{colour}" cx="{scale(value):.1f}" cy="{y:.1f}" r="3.5"/>')
        if found:
            ordered = sorted(found)
            median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
            parts.append(f'<path class="line s{colour}" d="M{scale(median):.1f} {middle - 12:.1f}v24"/>')
            parts.append(_text(scale(ordered[-1]) + 9, middle + 4, _figure(median)))
    return _svg(bottom + 44, parts, f"{unit}, a dot for each prompt")


def lines(series: Sequence[Series], across: str, up: str, *, log: bool = False, mark: float | None = None) -> str:
    """Lines through medians, quartiles as bands; `log` spaces x by its logarithm, `mark` is a line at that height."""
    points = [(x, spread) for one in series for x, spread in one.points]
    xs = sorted({x for x, _ in points})
    top, bottom, left = 12, 232, 62
    heights = [spread.upper for _, spread in points] + ([mark] if mark is not None else [])
    ticks = _ticks(0, max(heights, default=1))
    tall = _Scale(0, ticks[-1], bottom, top)
    names = [one.name for one in series]
    right = _WIDTH - _RIGHT - (_label_width(names) if len(names) > 1 else 0)
    spaced = (lambda x: math.log(max(x, 1e-9))) if log else float
    wide = _Scale(spaced(xs[0]), spaced(xs[-1]), left, right) if xs else _Scale(0, 1, left, right)
    parts = []
    for tick, said in zip(ticks, _tick_texts(ticks), strict=True):
        parts.append(f'<path class="grid" d="M{left} {tall(tick):.1f}H{right:.1f}"/>')
        parts.append(_text(left - 8, tall(tick) + 4, said, "end", "faint"))
    shown = -math.inf
    for x in xs:
        at = wide(spaced(x))
        if at - shown >= 34:  # what would run into its neighbour is left out
            parts.append(_text(at, bottom + 18, f"{x:,g}", "middle", "faint"))
            shown = at
    parts.append(_text((left + right) / 2, bottom + 40, across, "middle", "faint"))
    parts.append(f'<text class="faint" transform="translate(14 {(top + bottom) / 2}) rotate(-90)" '
                 f'text-anchor="middle">{escape(up)}</text>')  # fmt: skip
    if mark is not None:
        parts.append(f'<path class="mark" d="M{left} {tall(mark):.1f}H{right:.1f}"/>')
    ends: list[tuple[float, int, str]] = []
    for one in series:
        colour = one.colour
        upper = [f"{wide(spaced(x)):.1f} {tall(spread.upper):.1f}" for x, spread in one.points]
        lower = [f"{wide(spaced(x)):.1f} {tall(spread.lower):.1f}" for x, spread in one.points]
        middle = [f"{wide(spaced(x)):.1f} {tall(spread.median):.1f}" for x, spread in one.points]
        if not middle:
            continue
        parts.append(f'<path class="band f{colour}" d="M{"L".join(upper + lower[::-1])}Z"/>')
        parts.append(f'<path class="line s{colour}" d="M{"L".join(middle)}"/>')
        parts += [f'<circle class="f{colour}" cx="{at.split()[0]}" cy="{at.split()[1]}" r="3"/>' for at in middle]
        ends.append((tall(one.points[-1][1].median), colour, one.name))
    if len(series) > 1:
        parts += _names(ends, right, bottom)
    return _svg(bottom + 50, parts, f"{up} by {across}")


def heat(cells: Sequence[tuple[int, int, float | None]], across: str, up: str) -> str:
    """Speed-ups by (x, y) as a table of coloured cells: warm below 1, cold above; None is not measured."""
    xs, ys = sorted({x for x, _, _ in cells}), sorted({y for _, y, _ in cells}, reverse=True)
    left, width, height = 62, min(72, (_WIDTH - 80) // max(1, len(xs))), 40
    parts = []
    for x, y, value in cells:
        place = left + xs.index(x) * width, 8 + ys.index(y) * height
        strength = 0.0 if value is None else min(1.0, abs(value - 1) / 0.8)
        fill = "f4" if value is None else ("f2" if value < 1 else "f0")
        parts.append(f'<rect class="{fill}" fill-opacity="{0.08 + 0.5 * strength:.2f}" x="{place[0] + 2}" '
                     f'y="{place[1] + 2}" width="{width - 4}" height="{height - 4}" rx="5"/>')  # fmt: skip
        said = "-" if value is None else f"{value:.2f}"
        parts.append(_text(place[0] + width / 2, place[1] + height / 2 + 4, said, "middle"))
    bottom = 8 + len(ys) * height
    parts += [_text(left + (i + 0.5) * width, bottom + 18, str(x), "middle", "faint") for i, x in enumerate(xs)]
    parts += [_text(left - 10, 8 + (i + 0.5) * height + 4, str(y), "end", "faint") for i, y in enumerate(ys)]
    parts.append(_text(left + len(xs) * width / 2, bottom + 40, across, "middle", "faint"))
    parts.append(f'<text class="faint" transform="translate(14 {(8 + bottom) / 2}) rotate(-90)" '
                 f'text-anchor="middle">{escape(up)}</text>')  # fmt: skip
    return _svg(bottom + 50, parts, f"speed-up by {across} and {up}")


class _Scale:
    """Values from `low` to `high` as places from `first` to `last`."""

    def __init__(self, low: float, high: float, first: float, last: float):
        self._low, self._first = low, first
        self._step = (last - first) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return self._first + (value - self._low) * self._step


def _ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10, 20) if power * factor * most >= span)
    first = math.floor(low / step)
    count = math.ceil(high / step - 1e-9) - first
    return [round((first + i) * step, 10) for i in range(max(1, count) + 1)]


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    """All with as many digits as the one that takes most."""
    digits = max(len(f"{tick:.10f}".rstrip("0").partition(".")[2]) for tick in ticks)
    return [f"{tick:,.{digits}f}" for tick in ticks]


def _columns(scale: _Scale, ticks: Sequence[float], top: float, bottom: float, unit: str) -> str:
    parts = []
    for tick, said in zip(ticks, _tick_texts(ticks), strict=True):
        parts.append(f'<path class="grid" d="M{scale(tick):.1f} {top}V{bottom}"/>')
        parts.append(_text(scale(tick), bottom + 17, said, "middle", "faint"))
    parts.append(_text((scale(ticks[0]) + scale(ticks[-1])) / 2, bottom + 37, unit, "middle", "faint"))
    return "".join(parts)


def _names(ends: list[tuple[float, int, str]], right: float, bottom: float) -> list[str]:
    """The lines' names at their ends, moved apart where they would lie on each other."""
    ends = sorted(ends)
    places = [y for y, _, _ in ends]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + 17)
    over = places[-1] - bottom if places else 0
    if over > 0:
        places = [y - over for y in places]
    for i in reversed(range(len(places) - 1)):
        places[i] = min(places[i], places[i + 1] - 17)
    return [
        f'<text x="{right + 10:.1f}" y="{y + 4:.1f}" style="fill:var(--s{colour})">{escape(name)}</text>'
        for y, (_, colour, name) in zip(places, ends, strict=True)
    ]


def _label_width(names: Sequence[str]) -> int:
    return round(max((len(name) for name in names), default=0) * _LETTER) + 26


def _text(x: float, y: float, said: str, anchor: str = "start", kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(said)}</text>'


def _figure(value: float) -> str:
    """A number with as many digits as it takes."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")


def _svg(height: float, parts: Sequence[str], said: str) -> str:
    inside = "".join(itertools.chain(parts))
    return f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(said)}">{inside}</svg>'
