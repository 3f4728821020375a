"""Recordings of driving: steering logs, camera with lidar, lanes."""
