"""Image-classification baselines that people can trust, fast."""
