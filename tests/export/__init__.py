"""Exported files, and whether they agree with their run."""
