"""Tests of the local page. A package, so that its server can be imported."""
