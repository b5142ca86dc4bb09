# ruff: noqa: INP001  (Sphinx reads this file by itself)
"""The docs site: `make docs` builds it into build/docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = "plumbline"
author = "The plumbline authors"
version = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[0]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_*"]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = "plumbline"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# Docstrings write `code` in single backticks, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_use_rtype = False

# Names of other projects: following them would need their indexes from the network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r".*")]


def rewrite_readme(_app: Sphinx, _path: Path, _parent: str, content: list[str]) -> None:
    """Say where a record lies in the place of a link to it: the site holds pages, not results."""
    named = re.sub(r"\[(results/[^\]]+)\]\(results/[^)]+\)", r"`\1`", content[0])
    content[0] = re.sub(r"\[([^\]]+)\]\((results/[^)]+)\)", r"\1 (`\2`)", named)


def escape_bars(_app: Sphinx, _what: str, _name: str, _obj: object, _opt: object, lines: list[str]) -> None:
    """Keep the bars of an absolute value: reStructuredText would take them for a substitution."""
    lines[:] = [line if ">>>" in line else line.replace("|", r"\|") for line in lines]


def setup(app: Sphinx) -> None:
    """Have both called while pages are read."""
    app.connect("include-read", rewrite_readme)
    app.connect("autodoc-process-docstring", escape_bars)
