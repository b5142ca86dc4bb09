"""The program: `plumbline`, and `python -m plumbline`, which is the same."""

import atexit
import os
import sys

from plumbline.cli import main


def program() -> None:
    """Run the command line as the whole of a process, and do not take apart at its end what it imported.

    Python would look through all of torch and Lightning for what to free, which the system frees anyway: two
    seconds of a short command's eight, on two AMD EPYC cores. So this is registered before any library is
    imported, and thereby the last of what is done at the end: threads were waited for, and whoever else had
    to be told was.
    """
    code: object = None

    def end() -> None:
        if not isinstance(code, int) or "torch" not in sys.modules:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:  # nobody reads any more: Python has its own words and code for that
            return
        os._exit(code)

    atexit.register(end)
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
        raise


if __name__ == "__main__":
    program()
