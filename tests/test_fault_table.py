"""The table of faults in `tests/README.md` is true."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def rows() -> list[list[str]]:
    """The cells of each row."""
    lines = (HERE / "README.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1:]]


def test_there_are_at_least_forty_faults_each_named_once():
    faults = [row[0] for row in rows()]
    assert len(faults) >= 40
    assert len(set(faults)) == len(faults)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_tells_all_and_its_test_exists(row):
    assert len(row) == 4
    assert all(row)
    file, _, name = row[3].strip("`").partition("::")
    functions = {
        node.name: node
        for node in ast.walk(ast.parse((HERE / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert name in functions
    assert any(isinstance(node, ast.Assert | ast.With | ast.Call) for node in ast.walk(functions[name]))
