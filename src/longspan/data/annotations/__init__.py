"""Readers and writers of annotation files: boxes, instances and masks in the formats that data sets come in."""

from __future__ import annotations

from longspan.data.annotations.coco.keypoints import read_coco_keypoints, write_coco_keypoints
from longspan.data.annotations.coco.read import read_coco
from longspan.data.annotations.coco.write import write_coco
from longspan.data.annotations.instance_masks import read_instance_masks
from longspan.data.annotations.masks import read_masks
from longspan.data.annotations.penn_fudan import read_penn_fudan
from longspan.data.annotations.voc import read_voc
from longspan.data.annotations.wider import read_wider
from longspan.data.annotations.write_masks import write_masks
from longspan.data.annotations.write_voc import write_voc
from longspan.data.annotations.yolo.read import read_yolo
from longspan.data.annotations.yolo.write import write_yolo

__all__ = [
    "read_coco",
    "read_coco_keypoints",
    "read_instance_masks",
    "read_masks",
    "read_penn_fudan",
    "read_voc",
    "read_wider",
    "read_yolo",
    "write_coco",
    "write_coco_keypoints",
    "write_masks",
    "write_voc",
    "write_yolo",
]
