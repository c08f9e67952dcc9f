"""Everything that `s3d bench` measured as one page: tables and plots, readable offline, in light and dark.

The page is made of the JSON that the bench writes, so that it can be made again from a file. It holds no script, and
asks for nothing from anywhere; whatever stands in the JSON is shown as text.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from s3d_core.bench import plots
from s3d_core.bench.plots import Row, Series, Spread

_STYLE = """
:root{color-scheme:light dark;--ground:#f6f7f9;--surface:#fff;--line:#d8dce4;--text:#1a1d23;--muted:#565d6b;
--accent:#3b4cca;--soft:#eef0f4}
@media(prefers-color-scheme:dark){:root{--ground:#14161b;--surface:#1b1e25;--line:#343a47;--text:#e6e8ee;
--muted:#a2a9b8;--accent:#8b9bff;--soft:#252933}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px}h2{font-size:20px;margin:0 0 4px}h3{font-size:15px;margin:0 0 8px}
p{margin:0 0 12px}.faint,.note{color:var(--muted)}.note{font-size:13px;max-width:80ch}
section{background:var(--surface);border:1px solid var(--line);border-radius:12px;padding:22px 24px;margin-top:20px}
.wide{overflow-x:auto;margin:12px 0}table{border-collapse:collapse;width:100%;font-size:14px;
font-variant-numeric:tabular-nums}
th,td{padding:7px 9px;text-align:right;border-bottom:1px solid var(--line)}td{white-space:nowrap}
th{vertical-align:bottom}
th:first-child,td:first-child{text-align:left;padding-left:4px}th{color:var(--muted);font-weight:600;font-size:13px}
tbody tr:last-child td{border-bottom:0}tbody tr:hover{background:var(--soft)}
td small{color:var(--muted);display:block;line-height:1.2}
.facts td{white-space:normal;text-align:left;overflow-wrap:anywhere}.facts td:first-child{color:var(--muted);width:13em}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin-top:20px}.tile{flex:1 1 160px;background:var(--surface);
border:1px solid var(--line);border-radius:12px;padding:14px 18px}.tile b{display:block;font-size:26px;line-height:1.25;
font-variant-numeric:tabular-nums}.tile span{color:var(--muted);font-size:13px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:24px 28px;margin-top:14px}
.warn{border-left:4px solid #c98a00;padding:8px 14px;background:var(--soft);border-radius:6px;margin-top:16px}
section>svg{max-width:640px}@media print{section{break-inside:avoid}}
"""
# The colours of what is drawn in several plots; transformers and llama.cpp have two more.
_COLOURS = {"s3d": 0, "auto": 1, "lookup": 2, "skip": 3, "plain": 4, "hf": 5, "hf-lookup": 6, "hf-early-exit": 3}
_LLAMA_COLOUR, _DRAFT_COLOUR, _VERIFY_COLOUR = 7, 2, 3


def page(found: dict[str, Any]) -> str:
    """The page.

    Args:
        found: what `s3d bench` prints as its last line.
    """
    where = next((part for part in (found, *_studies(found)) if "model" in part), {})
    said = " · ".join(
        escape(str(text))
        for text in (
            where.get("dtype"),
            f"on {where['device']}" if "device" in where else None,
            f"{where['threads']} thread{'s' * (where['threads'] > 1)}" if "threads" in where else None,
            found.get("date"),
        )
        if text
    )
    body = [f"<h1>S3D Bench: {escape(str(where.get('model', 'no model')))}</h1>", f'<p class="faint">{said}</p>']
    if found.get("interrupted"):
        body.append('<p class="warn">The run was stopped; this is what was measured until then.</p>')
    for part, make in _PARTS.items():
        if found.get(part):
            body.append(make(found))
    body.append(_facts(found))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>S3D Bench: {escape(str(where.get('model', '')))}</title><style>{_STYLE}{plots.STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _studies(found: dict) -> list[dict]:
    return [part for name in ("curves", "sweep", "exactness", "startup") if isinstance(part := found.get(name), dict)]


def _compared(found: dict) -> str:
    records = found["results"]
    reference = "plain" if any(r["strategy"] == "plain" for r in records) else records[0]["strategy"]
    names = [name for name in records[0]["ratio"] if any(r["strategy"] != name for r in records)]
    head = ["strategy", "tokens/s", "tokens/round", *(f"over {name}" for name in names)]
    head += ["steady", "first token", "peak memory", "of bandwidth", "same text"]
    rows = [
        [
            f"<b>{escape(r['strategy'])}</b>",
            _quartiles(r["tokens_per_second"], 1),
            f"{r['tokens_per_round']:.2f}",
            *(_quartiles(r["ratio"][name], 2) for name in names),
            _short(r.get("steady_ratio"), 2),
            f"{r['time_to_first_token_ms']:,.0f} ms",
            _megabytes(r.get("peak_bytes")),
            _percent(r.get("share_of_bandwidth")),
            f"{r['same_text_as_plain']}/{r['prompts']}",
        ]
        for r in records
    ]
    read = found.get("read_bandwidth")
    notes = [
        f"{records[0]['prompts']} prompts, all contenders in turn on each. Medians, quartiles in brackets; ratios are "
        "taken prompt by prompt. Speeds are those behind the first token.",
        f"Steady: speed over {reference} with each pass at its median of the whole run, all replies together, so that "
        "slow moments of the machine change nothing.",
        "Peak memory: what a contender holds for itself, counted, and what the process grew by while it wrote, "
        "measured; the libraries, which all share, are not in it.",
    ]
    if read:
        notes.append(f"Of bandwidth: what the weights read take of the {read / 1e9:.1f} GB/s that this machine reads.")
    speeds = [_row(r, spread) for r in records if (spread := _spread(r["tokens_per_second"]))]
    peaks = [_row(r, Spread(*[r["peak_bytes"] / 1e6] * 3)) for r in records if r["peak_bytes"]]
    ratios = [
        _row(r, [p["ratio"] for p in r["by_prompt"] if p["ratio"]]) for r in records if r["strategy"] != reference
    ]
    accepted = [
        Series(
            f"{r['strategy']}, {r['tokens_per_round']:.2f} a round",
            [(k, Spread(*[100 * share] * 3)) for k, share in enumerate(r["acceptance_per_slot"], 1)],
            _colour(r["strategy"]),
        )
        for r in records
        if len(r["acceptance_per_slot"]) > 1
    ]
    drawn = [_figure("Tokens per second", plots.bars(speeds, "tokens/s"))] if speeds else []
    if any(row.found for row in ratios):
        drawn.append(_figure(f"Speed over {reference}, prompt by prompt", plots.dots(ratios, f"times {reference}")))
    if accepted:
        shares = plots.lines(accepted, "the first so many drafts", "% of the rounds that tried")
        drawn.append(_figure("Drafts accepted, and tokens per round", shares))
    if peaks:
        drawn.append(_figure("Peak memory", plots.bars(peaks, "MB")))
    return (
        _tiles(records, reference)
        + _section("Side by side", _table(head, rows), notes)
        + _section("Plots", f'<div class="pair">{"".join(drawn)}</div>')
        + _categories(records, reference)
    )


def _tiles(records: Sequence[dict], reference: str) -> str:
    tiles = []
    for r in records:
        if r["strategy"] == reference:
            tiles.append((_short(r["tokens_per_second"]["median"], 1), f"tokens/s, {reference}"))
        elif (ratio := r["ratio"].get(reference)) and r["strategy"] in ("s3d", "auto"):
            tiles.append((f"{_short(ratio['median'], 2)} ×", f"{r['strategy']} over {reference}"))
            tiles.append((f"{r['tokens_per_round']:.2f}", f"tokens per round, {r['strategy']}"))
    shown = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(said)}</span></div>' for value, said in tiles
    )
    return f'<div class="tiles">{shown}</div>' if len(tiles) > 1 else ""


def _categories(records: Sequence[dict], reference: str) -> str:
    names = sorted({name for r in records for name in r["by_category"]})
    if len(names) < 2:
        return ""
    ours = [r for r in records if r["strategy"] != reference]
    rows = [
        [
            escape(name),
            *(
                f"{part['tokens_per_round']:.2f} / {_short(part[f'ratio_to_{reference}'], 2)} / "
                f"{_short(part.get('steady_ratio'), 2)}"
                for r in ours
                for part in [r["by_category"][name]]
            ),
        ]
        for name in names
    ]
    note = f"Tokens per round / the median speed over {reference} / the steady one."
    return _section("By category", _table(["category", *(r["strategy"] for r in ours)], rows), [note])


def _curves(found: dict) -> str:
    part, drawn = found["curves"], []
    drafted, plain = _colour("s3d"), _colour("plain")
    for curve in part["curves"]:
        points, log = curve["points"], curve["name"] in ("context", "tree size")
        if not points:
            continue

        def series(*wanted: tuple[str, str, int], points: Sequence[dict] = points) -> list[Series]:
            return [
                Series(name, [(p["x"], spread) for p in points if (spread := _spread(p[key]))], colour)
                for key, name, colour in wanted
            ]

        across = curve["across"]
        four = [
            plots.lines(series(("tokens_per_second", "s3d", drafted), ("plain_tokens_per_second", "plain", plain)),
                        across, "tokens/s", log=log),
            plots.lines(series(("ratio", "s3d", drafted)), across, "times plain", log=log, mark=1.0),
            plots.lines(series(("tokens_per_round", "s3d", drafted)), across, "tokens per round", log=log),
            plots.lines(series(("draft_ms", "draft", _DRAFT_COLOUR), ("verify_ms", "verify", _VERIFY_COLOUR),
                              ("plain_ms", "plain step", plain)), across,
                        "ms a pass", log=log),
        ]  # fmt: skip
        names = ("Speed", "Speed over plain", "Tokens per round", "Time of a pass")
        said = _section(
            f"By {escape(curve['name'])}",
            f'<div class="pair">{"".join(_figure(*pair) for pair in zip(names, four, strict=True))}</div>'
            + _curve_table(curve),
            [f"Not reached in the time: {', '.join(f'{x:,}' for x in curve['left_out'])}."]
            if curve["left_out"]
            else [],
        )
        drawn.append(said)
    note = (
        f"Strategy s3d, each point beside plain decoding of the same {part['prompts']} prompts, replies of up to "
        f"{part['settings']['max_tokens']} tokens; medians over prompts, bands from quartile to quartile. "
        f"What a curve does not vary: {part['settings']['skipped']} layers skipped, "
        f"{part['settings']['draft_length']} tokens drafted, {part['settings']['tree_size']} candidates of a "
        f"probability of at least {part['settings']['least_probability']:g}. "
        f"Contexts go up to {part['context_limit']:,} tokens, the reply included: what the model was "
        "made for, or less where the memory or --context sets a limit."
    )
    return _section("Scaling curves", "", [note]) + "".join(drawn)


def _curve_table(curve: dict) -> str:
    head = [curve["across"], "tokens/s", "plain tokens/s", "over plain", "tokens/round", "draft ms", "verify ms"]
    keys = (("tokens_per_second", 1), ("plain_tokens_per_second", 1), ("ratio", 2), ("tokens_per_round", 2),
            ("draft_ms", 1), ("verify_ms", 1))  # fmt: skip
    with_first = curve["name"] == "context"
    rows = [
        [f"{p['x']:,}", *(_quartiles(p[key], digits) for key, digits in keys),
         *([_quartiles(p["time_to_first_token_ms"], 0)] * with_first)]
        for p in curve["points"]
    ]  # fmt: skip
    return _table([*head, *["first token ms"] * with_first], rows)


def _sweep(found: dict) -> str:
    part = found["sweep"]
    cells = [(c["skipped"], c["draft_length"], c["speed_up"]) for c in part["cells"]]
    best = part.get("best")
    notes = [f"Median speed over plain decoding beside it, {part['prompts']} prompts."]
    if best:
        notes.append(
            f"The best: {best['skipped']} layers skipped and {best['draft_length']} tokens drafted, "
            f"{best['speed_up']:.2f} times plain."
        )
    drawn = plots.heat(cells, "layers skipped in the draft pass", "tokens drafted ahead")
    return _section("Sweep", drawn, notes)


def _exactness(found: dict) -> str:
    positions = found["exactness"]["positions"]
    keys = [key for key, value in positions[0].items() if not isinstance(value, dict) or "median" in value]
    rows = [[_quartiles(p[key], 2) if isinstance(p[key], dict) else _plain(p[key]) for key in keys] for p in positions]
    return _section("What relaxing costs", _table([key.replace("_", " ") for key in keys], rows))


def _startup(found: dict) -> str:
    part = found["startup"]
    head = ["process", "first token, or imported", "to the end", "peak memory", "of its own"]
    rows = [
        [escape(p["what"]), *(_quartiles(p[key], 2, " s") for key in ("first_token_s", "whole_s")),
         *(_quartiles(p[key], 0, " MB", 1e6) for key in ("peak_bytes", "own_bytes"))]
        for p in part["processes"]
    ]  # fmt: skip
    drafting = part["drafting"]
    counted = [[escape(name), _megabytes(size, 2), _percent(size / part["model_bytes"], 2)] for name, size in
               drafting["counted"].items()]  # fmt: skip
    counted.append(
        ["<b>together</b>", _megabytes(drafting["counted_bytes"], 2), _percent(drafting["counted_share"], 2)]
    )
    measured = drafting["measured_bytes"]
    if measured is not None:
        counted.append(
            ["measured, drafting against plain", _megabytes(measured, 2), _percent(drafting["measured_share"], 2)]
        )
    notes = [f"{part['starts']} starts of each, in turn; medians, quartiles in brackets. Of its own: what a "
             "process held while it answered, pages of files left out."]  # fmt: skip
    if part.get("copies") is not None:
        notes.append(
            f"The model has {part['model_bytes'] / 1e6:,.0f} MB of weights; the plain process grew at its peak by "
            f"{part['copies']:.2f} times that over what the libraries alone take."
        )
    return _section("Start-up and memory", _table(head, rows), notes) + _section(
        "What drafting adds", _table(["part", "bytes", "of the model"], counted)
    )


def _facts(found: dict) -> str:
    settings: dict = next((part["settings"] for part in (found, *_studies(found)) if "settings" in part), {})
    parts = [("Settings", settings), ("Machine", found.get("machine")), ("Versions", found.get("versions"))]
    shown = [
        f'<h3>{name}</h3><div class="wide"><table class="facts"><tbody>'
        + "".join(f"<tr><td>{escape(str(k).replace('_', ' '))}</td><td>{_plain(v)}</td></tr>" for k, v in facts.items())
        + "</tbody></table></div>"
        for name, facts in parts
        if facts
    ]
    if llama := found.get("llama_cpp"):
        shown.append(f'<h3>llama.cpp</h3><p class="note">{escape(str(llama))}</p>')
    if command := found.get("command"):
        shown.append(f'<h3>Command</h3><p class="note"><code>{escape(command)}</code></p>')
    return _section("How it was measured", "".join(shown)) if shown else ""


_PARTS: dict[str, Callable[[dict], str]] = {
    "results": _compared,
    "curves": _curves,
    "sweep": _sweep,
    "exactness": _exactness,
    "startup": _startup,
}


def _section(title: str, inside: str, notes: Iterable[str] = ()) -> str:
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    return f"<section><h2>{title}</h2>{said}{inside}</section>"


def _figure(title: str, drawn: str) -> str:
    return f"<div><h3>{escape(title)}</h3>{drawn}</div>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already under a head that is text."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _quartiles(found: dict, digits: int, unit: str = "", scale: float = 1.0) -> str:
    if found["median"] is None:
        return "-"
    low, middle, high = (
        f"{value / scale:,.{digits}f}" for value in (found["quartiles"][0], found["median"], found["quartiles"][1])
    )
    return f"{middle}{unit} <small>({low}-{high})</small>"


def _spread(found: dict) -> Spread | None:
    if found["median"] is None:
        return None
    return Spread(found["quartiles"][0], found["median"], found["quartiles"][1])


def _row(record: dict, found: Any) -> Row:
    return Row(record["strategy"], found, _colour(record["strategy"]))


def _colour(name: str) -> int:
    return _COLOURS.get(name, _LLAMA_COLOUR)


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _short(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _megabytes(size: float | None, digits: int = 0) -> str:
    return "-" if size is None else f"{size / 1e6:,.{digits}f} MB"


def _percent(share: float | None, digits: int = 0) -> str:
    return "-" if share is None else f"{share:.{digits}%}"
