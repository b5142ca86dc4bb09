"""The tutorial: one source for both languages, and what makes the notebooks from it."""
