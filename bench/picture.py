"""The README's picture: a run's log and summary, as its terminal showed them.

Run: python -m bench.picture RUN docs/run.svg
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from rich.console import Console

from plumbline.cli.summary import summary_footer, summary_table
from plumbline.records import RunFolder, read_record

WIDTH = 124


def draw(run: Path, *, shown_as: Path) -> str:
    """Give an SVG of what the run in `run` said and what it ended with; `shown_as` is the folder it names."""
    record, folder = read_record(run), RunFolder(run)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print("[bold]$ make run[/bold]")
    for line in folder.log.read_text(encoding="utf-8").splitlines():
        stamp, _, said = line.partition("  ")
        if stamp[:4].isdigit():
            console.print(said, markup=False)
    console.print(summary_table(record))
    console.print(summary_footer(record, folder=RunFolder(shown_as)), markup=False)
    # rich names a font on a server; the viewer's own monospaced one does, and nothing is fetched.
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="plumbline"), flags=re.DOTALL)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    shown_as = Path("runs") / arguments.run.name
    arguments.picture.write_text(draw(arguments.run, shown_as=shown_as), encoding="utf-8")


if __name__ == "__main__":
    main()
