"""Checkpoints: where a training stands, and the way back."""
