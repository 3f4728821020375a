"""Trained estimators that are not networks: trees, counted words, phrase tables."""
