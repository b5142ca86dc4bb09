"""Tests of the command line. A package, so that its conftest.py has a name of its own."""
