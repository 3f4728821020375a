"""COCO's annotation files."""
