"""Tests of the report. A package, so that its sample can be imported."""
