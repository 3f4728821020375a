"""Predicting a large image in tiles or windows."""
