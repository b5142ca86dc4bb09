"""The tables of a comparison as Markdown and LaTeX, for a README or a paper."""

from __future__ import annotations

from collections.abc import Sequence

from plumbline.analysis.comparison import Arm, Comparison, Pair
from plumbline.analysis.sentences import p_value, score_of, signed

Rows = list[tuple[str, ...]]


def arm_rows(comparison: Comparison) -> Rows:
    """Give a heading and a row for each arm: which score, its mean, the seeds' spread, and both intervals.

    There is none for other images where each seed is scored on images of its own.
    """
    heading = ("arm", "score", comparison.split, "seeds", "sd", "other seeds", "other images")
    return [heading, *(_arm_row(arm, shares_images=comparison.shares_images) for arm in comparison.arms)]


def pair_rows(comparison: Comparison) -> Rows:
    """Give a heading and a row for each arm against the first: difference, interval, p-values, verdict."""
    first = comparison.arms[0].label
    p_values = ("p, t-test", "p, permuted", "p, corrected")
    heading = (f"against {first}", "points", "interval", *p_values, "verdict")
    return [heading, *(_pair_row(pair) for pair in comparison.pairs)]


def markdown(comparison: Comparison) -> str:
    """Give both tables in Markdown."""
    return "\n\n".join(
        _markdown(rows) for rows in (arm_rows(comparison), pair_rows(comparison)) if len(rows) > 1
    )


def latex(comparison: Comparison) -> str:
    r"""Give both tables as LaTeX `tabular`s; they need `\usepackage{booktabs}`."""
    return "\n\n".join(
        _latex(rows) for rows in (arm_rows(comparison), pair_rows(comparison)) if len(rows) > 1
    )


def _arm_row(arm: Arm, *, shares_images: bool) -> tuple[str, ...]:
    mean, images = arm.mean, arm.images
    seeds = "-" if mean.low is None or mean.high is None else between(mean.low, mean.high)
    sd = "-" if mean.sd is None else f"{100 * mean.sd:.2f}"
    other_images = between(images.low, images.high) if shares_images else "-"
    return (arm.label, score_of(arm), f"{mean.mean:.2%}", str(mean.n), sd, seeds, other_images)


def _pair_row(pair: Pair) -> tuple[str, ...]:
    paired, judgement = pair.paired, pair.judgement
    low, high = paired.difference.low, paired.difference.high
    if judgement is not None and judgement.low is not None:
        low, high = judgement.low, judgement.high
    return (
        pair.second,
        signed(paired.difference.mean),
        "-" if low is None or high is None else f"{signed(low)} to {signed(high)}",
        p_value(paired.p_t),
        p_value(paired.p_permutation),
        p_value(judgement.p_corrected if judgement is not None else None),
        "none (one seed)" if judgement is None else judgement.verdict,
    )


def between(low: float, high: float) -> str:
    """Give an interval of fractions in percent.

    >>> between(0.9252, 0.9748)
    '92.52 to 97.48'
    """
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _markdown(rows: Rows) -> str:
    heading, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _latex(rows: Rows) -> str:
    heading, *body = [" & ".join(map(_escape, row)) + r" \\" for row in rows]
    columns = "l" + "r" * (len(rows[0]) - 1)
    lines: Sequence[str] = (
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        heading,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    )
    return "\n".join(lines)


_LATEX = {
    "\\": r"\textbackslash{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
}


def _escape(text: str) -> str:
    """Write text so that LaTeX prints it; a minus between blanks or before a digit is a real one."""
    escaped = "".join(_LATEX.get(char, char) for char in text)
    return (
        "$-$" + escaped[1:]
        if escaped[:2] in {f"-{digit}" for digit in range(10)}
        else escaped.replace(" -", " $-$")
    )
