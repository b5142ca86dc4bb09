"""Charts: what is drawn lies where its value says, inside the picture, and gaps stay gaps."""

from __future__ import annotations

import re
from math import inf, nan
from xml.etree.ElementTree import fromstring

from hypothesis import given
from hypothesis import strategies as st

from plumbline.report.charts import WIDTH, Line, Row, dot_chart, heat_map, line_chart, ticks

values = st.floats(min_value=-1e6, max_value=1e6)


def numbers(svg: str, pattern: str) -> list[float]:
    return [float(number) for number in re.findall(pattern, svg)]


def test_a_value_that_is_not_finite_is_a_gap() -> None:
    """NaN and infinity break the line and move nothing else."""
    points = [(1.0, 0.5), (2.0, nan), (3.0, 0.4), (4.0, inf), (5.0, 0.3), (6.0, 0.2)]
    svg = line_chart([Line("loss", points, style="first")], title="t", x_name="x")
    lines = re.findall(r'class="line first" d="(M[^"h]+)"', svg)
    assert [line.count("L") for line in lines] == [0, 0, 1]
    assert svg.count("<circle") == 2  # a point with gaps on both sides would not be seen as a line


def test_nothing_finite_is_said_in_words() -> None:
    """A chart without one finite value says so instead of failing."""
    for svg in (
        line_chart([Line("loss", [(1.0, nan)], style="first")], title="t", x_name="x"),
        dot_chart([], title="t", unit="u"),
    ):
        assert "no finite values" in svg


@given(st.lists(st.tuples(values, values), min_size=1, max_size=8))
def test_lines_stay_inside(points: list[tuple[float, float]]) -> None:
    """Whatever the values, every point of a line lies inside the picture."""
    svg = line_chart([Line("a", sorted(points), style="first", dots=True)], title="t", x_name="x")
    assert all(0 <= x <= WIDTH for x in numbers(svg, r'cx="([-\d.e+]+)"'))
    assert all(0 <= y <= 216 for y in numbers(svg, r'cy="([-\d.e+]+)"'))


@given(values, st.floats(min_value=0, max_value=10), st.lists(values, max_size=4))
def test_dots_stay_inside_and_in_order(value: float, half: float, dots: list[float]) -> None:
    """An estimate lies between the ends of its interval, and all of a row inside the picture."""
    row = Row("name", "said", value, low=value - half, high=value + half, dots=dots)
    svg = dot_chart([row], title="t", unit="u", differences=True)
    (low,), (high,) = (numbers(svg, rf'class="whisker" [^>]*{end}="([-\d.e+]+)"') for end in ("x1", "x2"))
    places = numbers(svg, r'cx="([-\d.e+]+)"')
    assert 0 <= low <= places[-1] <= high <= WIDTH
    assert all(0 <= place <= WIDTH for place in places)


@given(values, values)
def test_ticks_cover_and_are_few(low: float, high: float) -> None:
    """Ticks reach over both ends, rise, and are at most ten."""
    low, high = sorted((low, high))
    found = ticks(low, high)
    slack = 1e-6 * max(1.0, high - low)
    assert found[0] <= low + slack
    assert high <= found[-1] + slack
    assert found == sorted(set(found))
    assert len(found) <= 10


def test_words_are_escaped() -> None:
    """Names and titles with markup come back from the XML as they were."""
    evil = "<&\"'>"
    svg = fromstring(dot_chart([Row(evil, evil, 0.5)], title=evil, unit=evil))  # noqa: S314 - our own
    assert {svg.findtext("title"), *(text.text for text in svg.iter("text"))} >= {evil}


def test_a_map_leaves_out_what_is_zero() -> None:
    """Only cells with a share are drawn, the larger ones darker."""
    svg = heat_map([[1.0, 0.0], [0.1, 0.9]], title="t")
    assert svg.count("M") == 3
    assert len(set(numbers(svg, r'fill-opacity="([\d.]+)"'))) == 2
