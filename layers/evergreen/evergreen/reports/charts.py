"""A small grammar of charts: rows of bars and marks, and marks over time, as inline SVG.

Lengths across are percentages and lengths down are pixels, so a chart is as wide as its place
while its text keeps its size. What a colour says a shape says as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from evergreen.reports.html import Child, Html, element, join
from evergreen.reports.words import percent, short

_ROW = 41
_PLOT = 150

Shape = Literal["dot", "diamond", "tick", "up", "ring"]

_PATHS = {"diamond": "M0-6 6 0 0 6-6 0Z", "up": "M0-6 6 5-6 5Z", "tick": "M0-8V8"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a chart."""

    label: str
    value: str
    """What is written at its end."""
    now: float
    before: float | None = None
    strong: bool = True
    """Whether it stands out."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a row, or of a plot."""

    x: float
    shape: Shape
    class_: str
    y: float = 0.0
    low: float | None = None
    """Its interval: along a row, and up and down in a plot."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of marks."""

    label: str
    value: str
    marks: Sequence[Mark]


def bars(title: str, description: str, rows: Sequence[Bar], top: float = 0.0) -> Html:
    """Draw a bar for each row, or a thin one for then above a thick one for now.

    Args:
        title: the picture's name, for who does not see it.
        description: what it shows.
        rows: from top to bottom.
        top: what the whole width stands for; by default the longest bar.

    """
    scale = top or max((max(row.now, row.before or 0.0) for row in rows), default=0.0) or 1.0
    drawn = []
    for i, row in enumerate(rows):
        y = i * _ROW
        drawn.append(_heading(row.label, row.value, y))
        if row.before is None:
            drawn.append(element("rect", class_="track", y=y + 20, width="100%", height=8, rx=2))
        else:
            drawn.append(_bar("before", y + 20, row.before / scale, 3))
        class_ = "now" if row.strong else "weak"
        drawn.append(_bar(class_, y + (20 if row.before is None else 23), row.now / scale, 8))
    return _picture(title, description, len(rows) * _ROW, drawn)


def marks(title: str, description: str, rows: Sequence[Row], ends: tuple[float, float]) -> Html:
    """Draw marks with their intervals on a line for each row, from one end to the other."""
    low, width = ends[0], (ends[1] - ends[0]) or 1.0

    def place(x: float) -> float:
        return min(max((x - low) / width, 0.0), 1.0) * 0.96 + 0.02  # so that no mark is cut

    drawn = []
    for i, row in enumerate(rows):
        y = i * (_ROW + 4)
        drawn.append(_heading(row.label, row.value, y))
        drawn.append(element("line", class_="grid", y1=y + 26, x2="100%", y2=y + 26))
        for mark in row.marks:
            if mark.low is not None and mark.high is not None:
                first, last = _across(place(mark.low)), _across(place(mark.high))
                drawn.append(_span(mark, first, last, y + 26, y + 26))
            drawn.append(_mark(mark, _across(place(mark.x)), y + 26))
    return _picture(title, description, len(rows) * (_ROW + 4), drawn)


def steps(
    title: str,
    description: str,
    points: Sequence[Mark],
    *,
    top: float,
    name: str,
    limit: tuple[float, str] | None = None,
    ends: tuple[str, str] = ("", ""),
) -> Html:
    """Draw a value over time, which stays what it was until the next mark.

    Args:
        title: the picture's name, for who does not see it.
        description: what it shows.
        points: from left to right, x from 0 to 1.
        top: the value at the upper edge; the lower one is 0.
        name: the words for the upper edge.
        limit: a value that is marked across, with its words.
        ends: the words for the first point and for the last.

    """

    def down(y: float) -> float:
        return 18 + (1 - min(y / (top or 1.0), 1.0)) * _PLOT

    drawn: list[Child] = []
    for value in (top, 0.0):
        drawn.append(element("line", class_="grid", y1=down(value), x2="100%", y2=down(value)))
    drawn.append(element("text", name, class_="axis", y=down(top) - 5))
    if limit:
        at = down(limit[0])
        drawn.append(element("line", class_="limit", y1=at, x2="100%", y2=at))
        drawn.append(element("text", limit[1], class_="axis", y=at - 5))

    def inside(x: float) -> str:
        return _across(0.01 + 0.98 * x)

    for one, two in pairwise(points):
        left, right = inside(one.x), inside(two.x)
        drawn.append(_line(left, down(one.y), right, down(one.y)))
        if one.y != two.y:
            drawn.append(_line(right, down(one.y), right, down(two.y)))
    drawn += [_mark(point, inside(point.x), down(point.y)) for point in points]
    bottom = down(0.0) + 20
    drawn.append(element("text", ends[0], class_="axis", y=bottom))
    drawn.append(element("text", ends[1], class_="axis end", x="100%", y=bottom))
    return _picture(title, description, int(bottom) + 6, drawn)


def square(title: str, description: str, points: Sequence[Mark], across: str, up: str) -> Html:
    """Draw marks in a square of shares, with the line on which both are equal.

    Args:
        title: the picture's name, for who does not see it.
        description: what it shows.
        points: x and y from 0 to 1.
        across: what x is.
        up: what y is.

    """
    drawn: list[Child] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = _across(1 - share)
        drawn.append(element("line", class_="grid", y1=at, y2=at, x2="100%"))
        if 0 < share < 1:
            drawn.append(element("text", percent(share), class_="axis", y=at, dy="-4"))
    drawn.append(element("line", class_="limit", y1="100%", x2="100%", y2=0))
    for point in points:
        x = _across(point.x)
        if point.low is not None and point.high is not None:
            drawn.append(_span(point, x, x, _across(1 - point.low), _across(1 - point.high)))
        drawn.append(_mark(point, x, _across(1 - point.y)))
    return element(
        "div",
        element("p", "↑ ", up, class_="axis"),
        _picture(title, description, 320, drawn),
        element("p", across, " →", class_="axis end"),
        class_="square",
    )


def key(*entries: tuple[Shape | Literal["bar", "thin"], str, str]) -> Html:
    """Explain shapes: each with its class and its words."""
    return element("p", (_entry(*entry) for entry in entries), class_="key")


def _entry(shape: Shape | Literal["bar", "thin"], class_: str, words: str) -> Html:
    if shape == "bar" or shape == "thin":
        size = {"y": 4, "height": 8} if shape == "bar" else {"y": 7, "height": 3}
        sign: Html = element("rect", class_=class_, width=16, rx=1, **size)
    else:
        sign = _mark(Mark(0, shape, class_), "8", 8)
    drawn = element("svg", sign, width=16, height=16, aria_hidden="true")
    return element("span", drawn, words)


def _picture(title: str, description: str, height: int, drawn: Child) -> Html:
    named = (element("title", title), element("desc", description))
    return element("svg", named, drawn, role="img", width="100%", height=height)


def _heading(label: str, value: str, y: int) -> Html:
    return join(
        element("text", short(label, 28), y=y + 13),
        element("text", value, class_="end", x="100%", y=y + 13),
    )


def _bar(class_: str, y: int, share: float, height: int) -> Html:
    width = _across(min(max(share, 0.0), 1.0))
    return element("rect", class_=class_, y=y, width=width, height=height, rx=1)


def _mark(mark: Mark, x: str, y: float | str) -> Html:
    if mark.shape in ("dot", "ring"):
        class_ = f"{mark.class_} {mark.shape}"
        return element("circle", class_=class_, cx=x, cy=y, r=3.5)
    path = element("path", class_=f"{mark.class_} {mark.shape}", d=_PATHS[mark.shape])
    return element("svg", path, x=x, y=y, class_="mark")


def _span(mark: Mark, x1: str, x2: str, y1: str | float, y2: str | float) -> Html:
    return element("line", class_=f"span {mark.class_}", x1=x1, x2=x2, y1=y1, y2=y2)


def _line(x1: str, y1: float, x2: str, y2: float) -> Html:
    return element("line", class_="step", x1=x1, y1=y1, x2=x2, y2=y2)


def _across(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"
