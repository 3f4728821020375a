"""Encoded rows, and the batches they come in."""
