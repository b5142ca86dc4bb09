"""Charts as inline SVG that takes its colours from the page.

Written by hand because matplotlib writes fixed colours, which do not follow a page into its dark scheme, and
needs fonts and minutes of import that a report has no use for. Every colour is a class that the page's style
sheet gives a CSS variable. A chart is 360 units wide, so that its 12-unit text is readable on a phone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, isfinite, log10
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

Point = tuple[float, float]
WIDTH, HEIGHT = 360.0, 216.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 350.0, 30.0, 180.0
ROW = 44.0


@dataclass(frozen=True)
class Line:
    """Points joined by a line, which has a gap where a value is not finite.

    `style` is how it looks: the first and the second of two compared, a faint one behind, or a dashed rule.
    """

    name: str
    points: Sequence[Point]
    style: Literal["first", "second", "faint", "rule"]
    dots: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a dot chart: an estimate with its interval, and the single values behind it if any."""

    name: str
    said: str
    value: float
    low: float | None = None
    high: float | None = None
    dots: Sequence[float] = ()


@dataclass(frozen=True)
class Scale:
    """From a value to a place: `low` lies at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Give the place of a value.

        >>> Scale(0.0, 1.0, start=100.0, end=0.0).at(0.25)
        75.0
        """
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Give round values from at most `low` to at least `high`, about `count` of them.

    Values that are all but equal get some room around them.

    >>> ticks(0.0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(3.0, 3.0)
    [2.6, 2.8, 3.0, 3.2, 3.4]
    """
    room = max(abs(low), abs(high)) * 0.1 or 1.0
    if high - low < max(room * 1e-6, 1e-9):
        low, high = low - max(room, 1e-6), high + max(room, 1e-6)
    raw = (high - low) / count
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(position * step, 12) for position in range(first, last + 1)]


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_name: str,
    percent: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Give a chart of lines over a common axis; those with a name are told in the legend.

    A range is that of the axis: `y_range` is widened to round values, `x_range` is not.
    """
    shown = [point for line in lines for point in line.points if isfinite(point[1])]
    svg = _frame(title, height=HEIGHT)
    if not shown:
        _text(svg, "no finite values", at=(LEFT, TOP + 20))
        return _written(svg)
    x_ticks = _ticks_of([x for x, _ in shown], x_range)
    y_ticks = _ticks_of([y for _, y in shown], y_range)
    x = Scale(x_ticks[0], x_range[1] if x_range else x_ticks[-1], LEFT, RIGHT)
    y = Scale(y_ticks[0], y_ticks[-1], BOTTOM, TOP)
    for value in y_ticks:
        _line(svg, (LEFT, y.at(value)), (RIGHT, y.at(value)), "grid")
        _text(svg, _number(value, percent=percent), at=(LEFT - 6, y.at(value) + 4), anchor="end")
    for value in (value for value in x_ticks if x.low <= value <= x.high):
        _text(svg, _number(value), at=(x.at(value), BOTTOM + 16), anchor="middle")
    _text(svg, x_name, at=((LEFT + RIGHT) / 2, BOTTOM + 32), anchor="middle")
    for line in sorted(lines, key=lambda line: line.style != "faint"):
        _draw(svg, line, x=x, y=y)
    _legend(svg, [line for line in lines if line.name])
    return _written(svg)


def dot_chart(rows: Sequence[Row], *, title: str, unit: str, differences: bool = False) -> str:
    """Give a chart with a row for each estimate: a dot with its interval, and all single values as rings.

    Values are fractions, told in percent; `differences` are told in points, beside a line at zero.
    """
    values = [
        v for row in rows for v in (row.value, row.low, row.high, *row.dots) if v is not None and isfinite(v)
    ]
    bottom = 6 + ROW * len(rows)
    svg = _frame(title, height=bottom + 38)
    if not values:
        _text(svg, "no finite values", at=(14, 20))
        return _written(svg)
    values += [0.0] * differences
    marks = ticks(min(values), max(values), count=4)
    x = Scale(marks[0], marks[-1], 14.0, WIDTH - 14.0)
    for value in marks:
        style = "zero" if differences and value == 0 else "grid"
        _line(svg, (x.at(value), 4), (x.at(value), bottom), style)
        said = _number(value * 100) if differences else _number(value, percent=True)
        _text(svg, said, at=(x.at(value), bottom + 16), anchor="middle")
    _text(svg, unit, at=(WIDTH / 2, bottom + 32), anchor="middle")
    for position, row in enumerate(rows):
        _draw_row(svg, row, x=x, top=6 + ROW * position)
    return _written(svg)


def heat_map(shares: Sequence[Sequence[float]], *, title: str) -> str:
    """Give a square of cells, row by row from the top, each the darker the larger its share (0 to 1)."""
    cell, levels = (WIDTH - 20) / len(shares), 6
    svg = _frame(title, height=WIDTH)
    SubElement(svg, "rect", {"class": "plate", "x": "10", "y": "10", "width": "340", "height": "340"})
    # One path a level: thousands of single cells would be heavier than the rest of the page.
    paths: dict[int, list[str]] = {}
    for row, line in enumerate(shares):
        for column, share in enumerate(line):
            if share > 0:
                place = f"M{10 + column * cell:.2f} {10 + row * cell:.2f}h{cell:.2f}v{cell:.2f}h-{cell:.2f}z"
                paths.setdefault(ceil(min(share, 1.0) ** 0.5 * levels), []).append(place)
    for level, places in sorted(paths.items()):
        SubElement(
            svg, "path", {"class": "heat", "fill-opacity": f"{level / levels:.2f}", "d": "".join(places)}
        )
    return _written(svg)


def _frame(title: str, *, height: float) -> Element:
    svg = Element("svg", {"viewBox": f"0 0 {WIDTH:g} {height:g}", "role": "img", "class": "chart"})
    SubElement(svg, "title").text = title
    return svg


def _written(svg: Element) -> str:
    return tostring(svg, encoding="unicode", short_empty_elements=False)


def _ticks_of(values: Iterable[float], given: tuple[float, float] | None) -> list[float]:
    found = list(values)
    return ticks(*given) if given else ticks(min(found), max(found))


def _number(value: float, *, percent: bool = False) -> str:
    """Write a tick: short, and never as minus zero.

    >>> _number(0.05, percent=True), _number(2.0), _number(-0.0)
    ('5%', '2', '0')
    """
    text = f"{value * 100 if percent else value:.6g}"
    return ("0" if text == "-0" else text) + ("%" if percent else "")


def _text(svg: Element, words: str, *, at: Point, anchor: str = "start", style: str = "") -> None:
    attributes = {"x": f"{at[0]:g}", "y": f"{at[1]:g}", "text-anchor": anchor}
    SubElement(svg, "text", attributes | ({"class": style} if style else {})).text = words


def _line(svg: Element, start: Point, end: Point, style: str) -> None:
    ends = {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1]}
    SubElement(svg, "line", {"class": style} | {name: f"{value:g}" for name, value in ends.items()})


def _dot(svg: Element, place: Point, style: str, *, radius: float) -> None:
    attributes = {"class": style, "cx": f"{place[0]:g}", "cy": f"{place[1]:g}", "r": f"{radius:g}"}
    SubElement(svg, "circle", attributes)


def _draw(svg: Element, line: Line, *, x: Scale, y: Scale) -> None:
    for whole, points in groupby(line.points, key=lambda point: isfinite(point[1])):
        if not whole:
            continue
        places = [(x.at(px), y.at(min(max(py, y.low), y.high))) for px, py in points]
        joined = "L".join(f"{px:g} {py:g}" for px, py in places)
        SubElement(svg, "path", {"class": f"line {line.style}", "d": f"M{joined}"})
        if line.dots or len(places) == 1:
            for place in places:
                _dot(svg, place, f"dot {line.style}", radius=2.6)


def _legend(svg: Element, lines: Sequence[Line]) -> None:
    place = 20.0
    for line in lines:
        SubElement(svg, "path", {"class": f"line {line.style}", "d": f"M{place:g} 12h16"})
        _text(svg, line.name, at=(place + 21, 16))
        place += 36 + 6.8 * len(line.name)


def _draw_row(svg: Element, row: Row, *, x: Scale, top: float) -> None:
    room = 46 - len(row.said)
    name = row.name if len(row.name) <= room else f"{row.name[: room - 1]}…"
    _text(svg, name, at=(14, top + 12), style="name")
    _text(svg, row.said, at=(WIDTH - 14, top + 12), anchor="end", style="said")
    middle = top + 27
    for value in row.dots:
        if isfinite(value):
            _dot(svg, (x.at(value), middle), "ring", radius=4)
    if row.low is not None and row.high is not None:
        _line(svg, (x.at(row.low), middle), (x.at(row.high), middle), "whisker")
    if isfinite(row.value):
        _dot(svg, (x.at(row.value), middle), "estimate", radius=4.5)
