"""The style sheet: all text can be read in both schemes and on paper (WCAG 2.2, AA)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

SHEET = files("plumbline.report").joinpath("templates/style.css").read_text(encoding="utf-8")
SCHEMES = ("light", "dark", "print")
Color = tuple[float, float, float]


def variables(scheme: str) -> dict[str, Color]:
    """Read the colours of one scheme: #rrggbb, or three numbers."""
    block = re.findall(r":root \{(.*?)\}", SHEET, flags=re.DOTALL)[SCHEMES.index(scheme)]
    found: dict[str, Color] = {}
    for name, value in re.findall(r"--([\w-]+): ([^;]+);", block):
        parts = re.findall("..", value[1:]) if value[0] == "#" else value.split()
        red, green, blue = (int(part, 16 if value[0] == "#" else 10) / 255 for part in parts)
        found[name] = red, green, blue
    return found


def luminance(color: Color) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def over(paper: Color, color: Color, *, alpha: float) -> Color:
    red, green, blue = (alpha * c + (1 - alpha) * p for c, p in zip(color, paper, strict=True))
    return red, green, blue


def test_the_formula_is_that_of_the_standard() -> None:
    """Black on white is 21, and #767676 on white is the lightest grey that passes."""
    white, grey, lighter = (1.0, 1.0, 1.0), (0x76 / 255,) * 3, (0x77 / 255,) * 3
    assert contrast((0.0, 0.0, 0.0), white) == pytest.approx(21)
    assert contrast(grey, white) >= 4.5 > contrast(lighter, white)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_has_contrast(scheme: str) -> None:
    """Every colour that text has stands out from every ground that it can stand on by 4.5 at least."""
    colors = variables(scheme)
    for ink in ("ink", "muted", "first"):
        for ground in ("paper", "plate"):
            assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lines_have_contrast(scheme: str) -> None:
    """What is drawn to be told apart stands out from the paper by 3 at least."""
    colors = variables(scheme)
    for name in ("first", "second", "muted"):
        assert contrast(colors[name], colors["paper"]) >= 3, name


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", ["heat", "right"])
def test_cells_have_contrast(scheme: str, ground: str) -> None:
    """The counts in the confusion matrix can be read at every shade of their cells."""
    alpha = float(re.findall(rf"var\(--{ground}\) / calc\(var\(--share\) \* ([\d.]+)\)", SHEET)[0])
    colors = variables(scheme)
    for step in range(11):
        shade = over(colors["paper"], colors[ground], alpha=alpha * step / 10)
        assert contrast(colors["ink"], shade) >= 4.5


def test_schemes_have_the_same_variables_and_no_other_color_is_used() -> None:
    """A rule names no colour of its own: it would be wrong in one scheme."""
    light, dark, paper = (variables(scheme) for scheme in SCHEMES)
    assert light.keys() == dark.keys() == paper.keys()
    rules = re.sub(r":root \{.*?\}", "", SHEET, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{3,8}\b|rgb\((?!var)|hsl|\b(?:white|black|gray|grey)\b(?!-)", rules)
    assert set(re.findall(r"var\(--([\w-]+)\)", rules)) - {"share", "low", "high"} == light.keys()
