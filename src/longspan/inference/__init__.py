"""Trained models as they are used: predicting, measuring, saving, loading."""
