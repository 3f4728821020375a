"""Driving: steering of a real small car, and the four strategies in a driving world."""
