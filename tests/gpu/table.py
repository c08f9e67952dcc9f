"""What the checks on a GPU found: one table, judged line by line."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes:
        what, measured, needed: as they are printed; `needed` is empty where nothing is asked for.
        passed: None where it is not judged.
        value: the measured number, where it is one.
    """

    what: str
    measured: str
    needed: str = ""
    passed: bool | None = None
    value: float | None = None

    @property
    def verdict(self) -> str:
        """PASS, FAIL or –."""
        return "–" if self.passed is None else "PASS" if self.passed else "FAIL"


@dataclass
class Table:
    """The lines so far.

    Attributes:
        judges_speed: whether times and memory decide; on a tiny shape they say nothing.
    """

    judges_speed: bool = True
    rows: list[Row] = field(default_factory=list)

    def note(self, what: str, measured: str, value: float | None = None) -> None:
        """Put down what is not judged."""
        self._add(Row(what, measured, value=value))

    def at_most(self, what: str, value: float, limit: float, unit: str = "x", detail: str = "") -> None:
        """Put down a time or a size that must not be larger than `limit`."""
        measured = f"{value:.3g} {unit}" + (f" ({detail})" if detail else "")
        passed = value <= limit if self.judges_speed else None
        self._add(Row(what, measured, f"<= {limit:g} {unit}", passed, value))

    def check(self, what: str, measured: str, needed: str, passed: bool) -> None:
        """Put down what is right or wrong on every shape."""
        self._add(Row(what, measured, needed, passed))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        # Seen at once: a run takes minutes on a machine that may be taken away.
        print(f"{row.verdict:4}  {row.what}: {row.measured}" + (f", needed {row.needed}" if row.needed else ""))

    @property
    def passed(self) -> bool:
        """Whether no line fails."""
        return all(row.passed is not False for row in self.rows)

    def __str__(self) -> str:
        lines = [("what", "measured", "needed", ""), *((r.what, r.measured, r.needed, r.verdict) for r in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(3)]
        cells = [[cell.ljust(width) for cell, width in zip(line, (*widths, 0), strict=True)] for line in lines]
        return "\n".join("  ".join(line).rstrip() for line in cells)

    def as_json(self, **about) -> str:
        """All of it in one line."""
        rows = [asdict(row) | {"verdict": row.verdict} for row in self.rows]
        return json.dumps(about | {"passed": self.passed, "rows": rows})
