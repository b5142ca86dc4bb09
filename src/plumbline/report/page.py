"""From facts to one HTML file: the template engine, its filters, and pictures as part of the page."""

from __future__ import annotations

import base64
import io
from functools import cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from plumbline.progress import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from jinja2 import Environment
    from numpy.typing import NDArray


def render(template: str, **context: Any) -> str:  # noqa: ANN401
    """Fill one of the templates beside this file; all text is escaped, charts come as Markup."""
    return _environment().get_template(template).render(**context)


def picture_source(picture: NDArray[np.uint8]) -> str:
    """Give a picture, uint8 (H, W, 3), as a PNG inside a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def percent(fraction: float, digits: int = 2) -> str:
    """Give a fraction in percent, without the sign.

    >>> percent(0.94567), percent(0.94567, digits=1), percent(float("nan"))
    ('94.57', '94.6', 'not a number')
    """
    return f"{fraction * 100:.{digits}f}" if isfinite(fraction) else "not a number"


def shade(cell: int, row: Sequence[int], right: bool) -> str:  # noqa: FBT001 - a filter's arguments have no names
    """Give how dark a cell of the confusion matrix is, 0 to 1: the share of its row, or for errors its root.

    Errors are few beside what is right; the root tells one in fifty from one in five hundred.

    >>> shade(25, [25, 75], False), shade(75, [25, 75], True), shade(0, [0, 0], False)
    ('0.50', '0.75', '0.00')
    """
    share = cell / (sum(row) or 1)
    return f"{share if right else share**0.5:.2f}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("plumbline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "count": "{:,}".format,
        "duration": partial(in_words, decimals=1),
        "shade": shade,
    }
    return environment
