"""Readers under random and mutated input. A package, so that the script and the tests share the targets."""
