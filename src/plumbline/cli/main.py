"""The entry point: commands, and what a person is told when one fails.

Exit codes: 0 done; 1 an error in plumbline itself; 2 something the user can mend (input, data, device, disk);
130 stopped by Ctrl-C; 143 stopped by SIGTERM.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Annotated

import typer

from plumbline.cli import (
    bench,
    compare,
    data,
    export,
    fit,
    models,
    predict,
    recipes,
    report,
    serve,
    test,
    tune,
)
from plumbline.durable import disk_fault
from plumbline.engine import explain_import_error, installed
from plumbline.errors import PlumblineError, harmless, printable

OK, BUG, USER_ERROR, INTERRUPTED = 0, 1, 2, 130

# An unset --help of a group has no default, and typer (0.29.2) imports pydantic to make a bool of that:
# a tenth of a second before the help of any command below.
_NO_HELP = {"help": False}

app = typer.Typer(
    name="plumbline",
    context_settings={"default_map": {**_NO_HELP, "data": _NO_HELP, "bench": _NO_HELP}},
    help="Image-classification baselines that people can trust, fast.",
    epilog="Exit codes: 0 done, 1 an error in plumbline, 2 a problem with what was asked or with the machine "
    "(the message says what to change), 130 stopped by Ctrl-C, 143 stopped by SIGTERM.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("fit")(fit.fit)
app.command("test")(test.test)
app.command("compare")(compare.compare)
app.command("tune")(tune.tune)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("serve")(serve.serve)
app.command("recipes")(recipes.recipes)
app.command("models")(models.models)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")


def _flowing(docstring: str | None) -> str:
    """Join the lines of each paragraph, which typer would break where the source does, and again."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in cleandoc(docstring or "").split("\n\n"))


for _group in (app, data.app, bench.app):
    for _command in _group.registered_commands:
        _command.help = _flowing(_command.callback.__doc__ if _command.callback else None)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        typer.echo(f"plumbline {installed('plumbline')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: FBT002
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks. Accepted anywhere.")] = False,  # noqa: FBT002
) -> None:
    """Image-classification baselines that people can trust, fast."""
    del version  # its callback has told it
    del debug  # read in main(), before anything can fail


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        _check_words(given)
        code = app([word for word in given if word != "--debug"], standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        code = _tell(error)
    except (KeyboardInterrupt, SystemExit) as leaving:
        if debug or not _is_interrupt(leaving):
            raise
        code = _tell_interrupted()
    sys.exit(code if isinstance(code, int) else OK)


def _is_interrupt(leaving: BaseException) -> bool:
    """Tell Ctrl-C from other ways to leave; Lightning turns it into exit code 1 (lightning 2.6.6, seen)."""
    return isinstance(leaving, KeyboardInterrupt) or isinstance(leaving.__context__, KeyboardInterrupt)


def _tell_interrupted() -> int:
    _say("Stopped by Ctrl-C.")
    return INTERRUPTED


def _tell(error: Exception) -> int:
    """Print one paragraph about an error, and give the exit code."""
    if isinstance(error, typer.Abort):  # what typer makes of Ctrl-C
        return _tell_interrupted()
    # typer's usage errors (`show`) and our StopRequested carry the code they want.
    exit_code = getattr(error, "exit_code", None)
    if isinstance(exit_code, int):
        getattr(error, "show", bool)()
        return exit_code
    known = error if isinstance(error, PlumblineError) else _explained(error)
    if known is not None:
        text = str(known)
        _say(f"Error: {text}" if text.endswith((".", "?", "!")) else f"Error: {text}.")
        return USER_ERROR
    _say(
        f"Error in plumbline: {type(error).__name__}: {error}\n"
        "This is a bug, or a fault of the machine. The same command with --debug shows where it happened."
    )
    return BUG


def _long_name(error: Exception) -> PlumblineError | None:
    if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
        return None
    return PlumblineError(f"{printable(str(error.filename))}: {error.strerror}. Give a shorter name.")


def _explained(error: Exception) -> PlumblineError | None:
    """Put into words what is no fault of plumbline's; None where it may be one."""
    return explain_import_error(error) or _long_name(error) or disk_fault(error, folder=Path.cwd())


def _check_words(given: Sequence[str]) -> None:
    """Raise PlumblineError for a word that a terminal would take for a command, or that is no Unicode."""
    for word in given:
        if harmless(word) != word:
            raise PlumblineError(
                f"'{printable(word)}' has a control character, or is not UTF-8. Type it anew, or rename it."
            )


def _say(text: str) -> None:
    typer.echo(harmless(text), err=True)
