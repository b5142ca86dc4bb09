"""Whatever is typed, or stands in a recipe or a record: it is read, or refused with our own error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.texts import PROPERTIES


@pytest.mark.parametrize("name", PROPERTIES)
def test_only_our_own_error_is_raised(name: str) -> None:
    """`--set`, recipe files and record files: no other error, and what is read survives being written."""
    wanted = PROPERTIES[name]

    @settings(max_examples=150)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        wanted.check(data.draw(wanted.strategy))

    check()
