"""JSON read in steps is what the standard library reads at once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3d_core import json_steps

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values, st.sampled_from([None, 0, 2, "\t"]), st.booleans(), st.integers(0, 4))
def test_every_text_is_read_as_by_the_standard_library(value, indent, ascii_only, levels):
    text = f" {json.dumps(value, indent=indent, ensure_ascii=ascii_only)}\n"
    assert json_steps.loads(text, levels) == json.loads(text)


@given(st.text(alphabet='{}[]",:01 \\tru', max_size=12), st.integers(0, 4))
def test_what_the_standard_library_refuses_is_refused(text, levels):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - the library has its own words
            json_steps.loads(text, levels)
    else:
        assert json_steps.loads(text, levels) == expected


@given(values)
@settings(deadline=None)
def test_a_text_that_breaks_off_is_refused(value):
    text = json.dumps([value])
    for end in range(len(text)):
        with pytest.raises(ValueError):  # noqa: PT011 - the library has its own words
            json_steps.loads(text[:end])
