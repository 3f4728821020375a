"""Readers and writers of annotation files: boxes, instances and masks in the formats that data sets come in."""

from __future__ import annotations

from longspan.data.annotations.coco import read_coco

__all__ = ["read_coco"]
