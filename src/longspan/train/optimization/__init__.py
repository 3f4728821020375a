"""Optimizers, learning-rate schedules, and the search for a learning rate."""
