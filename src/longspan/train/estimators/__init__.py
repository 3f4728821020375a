"""Strategies that train an estimator instead of a network."""
