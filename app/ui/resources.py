"""Where the files beside the code lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "resources"


def resource(*parts: str) -> Path:
    """A file under `resources/`."""
    return ROOT.joinpath(*parts)
