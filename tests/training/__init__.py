"""Whole runs, phases and their parts."""
