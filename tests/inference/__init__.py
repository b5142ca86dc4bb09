"""Trained models in use: pictures in, probabilities out."""
