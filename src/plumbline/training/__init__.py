"""The only home of the Lightning Trainer: build, classifier, averaging, checkpoints, run."""
