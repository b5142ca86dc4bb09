"""The command line: one small file a command; torch is imported inside the commands only."""

from plumbline.cli.main import main

__all__ = ["main"]
