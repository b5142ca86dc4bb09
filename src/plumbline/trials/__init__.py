"""Many runs of several recipes over the same seeds, each a `plumbline fit` in its own process. No torch."""
