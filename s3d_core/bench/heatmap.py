"""A sweep as a picture: speed-up by skipped layers and draft length, a number in every cell."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from s3d_core.bench.sweep import Cell, best

# Speed-up -> colour: warm below plain decoding's speed, pale at it, blue above.
_SCALE = [
    (0.5, (166, 54, 3)),
    (0.75, (240, 147, 83)),
    (1.0, (247, 245, 240)),
    (1.25, (133, 190, 213)),
    (1.5, (44, 121, 173)),
    (2.0, (8, 48, 107)),
]
_PAPER, _INK, _FAINT, _NOTHING = (255, 255, 255), (28, 32, 38), (104, 112, 122), (225, 227, 230)
_WIDTH, _HEIGHT, _GAP = 148, 104, 6  # of a cell
_LEFT, _TOP, _RIGHT, _BOTTOM = 170, 190, 60, 230
_BAR = 760  # width of the legend


def draw(cells: Sequence[Cell], title: str, notes: Sequence[str], path: Path) -> None:
    """Write the picture as a PNG file.

    Args:
        cells: a full grid.
        title, notes: lines above it: what was measured, and on what.

    Raises:
        OSError: the file cannot be written.
    """
    skips = sorted({cell.skipped for cell in cells})
    lengths = sorted({cell.draft_length for cell in cells}, reverse=True)
    wide = len(skips) * (_WIDTH + _GAP) - _GAP
    high = len(lengths) * (_HEIGHT + _GAP) - _GAP
    lines = [(title, _font(40), _INK), *((note, _font(24), _FAINT) for note in notes)]
    widest = max(wide + _LEFT, *(int(font.getlength(text)) + _GAP for text, font, _ in lines)) + _RIGHT
    top = _TOP + 34 * (len(notes) - 1)
    image = Image.new("RGB", (widest, top + high + _BOTTOM), _PAPER)
    pen = ImageDraw.Draw(image)
    y = 36
    for text, font, colour in lines:
        pen.text((_RIGHT // 2, y), text, colour, font)
        y += round(font.size * 1.4) + 4

    winner = best(cells)
    for cell in cells:
        left = _LEFT + skips.index(cell.skipped) * (_WIDTH + _GAP)
        upper = top + lengths.index(cell.draft_length) * (_HEIGHT + _GAP)
        _cell(pen, cell, left, upper, cell is winner)

    for place, skipped in enumerate(skips):
        middle = _LEFT + place * (_WIDTH + _GAP) + _WIDTH // 2
        pen.text((middle, top + high + 14), str(skipped), _INK, _font(26), anchor="mt")
    for place, length in enumerate(lengths):
        middle = top + place * (_HEIGHT + _GAP) + _HEIGHT // 2
        pen.text((_LEFT - 22, middle), str(length), _INK, _font(26), anchor="rm")
    pen.text((_LEFT + wide // 2, top + high + 56), "layers skipped in the draft pass", _FAINT, _font(26), anchor="mt")
    _upright(image, "tokens drafted ahead", 30, top + high // 2)
    _legend(pen, _LEFT, top + high + 122, wide)
    if wide > _BAR + 420:
        pen.text((_LEFT + wide, top + high + 133), "small: tokens per round", _FAINT, _font(22), anchor="rm")
    image.save(path, "PNG", optimize=True)


def _cell(pen: ImageDraw.ImageDraw, cell: Cell, left: int, upper: int, is_best: bool) -> None:
    box = (left, upper, left + _WIDTH, upper + _HEIGHT)
    fill = _NOTHING if cell.speed_up is None else colour(cell.speed_up)
    text = _PAPER if _luminance(fill) < 0.5 else _INK
    pen.rounded_rectangle(box, 10, fill)
    middle = left + _WIDTH // 2
    if cell.speed_up is None:
        pen.text((middle, upper + _HEIGHT // 2), "-", text, _font(34), anchor="mm")
        return
    pen.text((middle, upper + 42), f"{cell.speed_up:.2f}", text, _font(36), anchor="mm")
    per_round = cell.tokens / cell.rounds if cell.rounds else 0.0
    pen.text((middle, upper + 78), f"{per_round:.2f} a round", text, _font(19), anchor="mm")
    if is_best:
        pen.rounded_rectangle(box, 10, outline=_INK, width=5)
        pen.rounded_rectangle((left + _WIDTH - 60, upper - 10, left + _WIDTH + 4, upper + 20), 8, _INK)
        pen.text((left + _WIDTH - 28, upper + 5), "best", _PAPER, _font(20), anchor="mm")


def _legend(pen: ImageDraw.ImageDraw, left: int, upper: int, wide: int) -> None:
    wide = min(wide, _BAR)
    low, high = _SCALE[0][0], _SCALE[-1][0]
    for x in range(wide):
        pen.line((left + x, upper, left + x, upper + 22), colour(low + (high - low) * x / (wide - 1)))
    for value in (0.5, 1.0, 1.5, 2.0):
        x = left + round((value - low) / (high - low) * (wide - 1))
        said = {1.0: "1 = plain", 0.5: "0.5", 2.0: "2 and more"}.get(value, f"{value:g}")
        pen.line((x, upper + 22, x, upper + 30), _FAINT, 2)
        pen.text((x, upper + 36), said, _FAINT, _font(22), anchor="mt")


def _upright(image: Image.Image, text: str, left: int, middle: int) -> None:
    font = _font(26)
    strip = Image.new("RGB", (int(font.getlength(text)) + 8, 40), _PAPER)
    ImageDraw.Draw(strip).text((4, 4), text, _FAINT, font)
    turned = strip.rotate(90, expand=True)
    image.paste(turned, (left, middle - turned.height // 2))


def colour(speed_up: float) -> tuple[int, int, int]:
    """A cell's fill, blended between the scale's points."""
    speed_up = min(max(speed_up, _SCALE[0][0]), _SCALE[-1][0])
    for (low, first), (high, second) in itertools.pairwise(_SCALE):
        if speed_up <= high:
            share = (speed_up - low) / (high - low)
            red, green, blue = (round(a + share * (b - a)) for a, b in zip(first, second, strict=True))
            return red, green, blue
    return _SCALE[-1][1]


def _luminance(fill: tuple[int, int, int]) -> float:
    red, green, blue = fill
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
