"""Tests of the benchmarks. A package, so that its recipe can be imported."""
