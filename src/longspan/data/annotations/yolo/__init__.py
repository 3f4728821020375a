"""YOLO's label files and project files."""
