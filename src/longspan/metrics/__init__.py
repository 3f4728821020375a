"""Every measure once: pure functions of targets and predictions."""
