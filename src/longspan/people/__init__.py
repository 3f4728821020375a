"""People in images: find faces, align them, make vectors, keep them in a gallery, say who it is or that nobody is.

Names are loaded when they are first used: a gallery is listed and searched without PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what editors and pyright follow
    from longspan.people.embedder import FaceEmbedder, face_embedder
    from longspan.people.faces import FACE_DETECTORS, FaceReader, SeenFace, face_detector
    from longspan.people.gallery import Gallery
    from longspan.people.gallery_answers import Answer, Enrolment, Match, Person, Removal
    from longspan.people.gallery_file import make_key
    from longspan.people.gallery_index import ApproximateIndex
    from longspan.people.mtcnn import mtcnn
    from longspan.people.quality import FaceQuality, QualityGate
    from longspan.people.ultra_light import UltraLight, ultra_light

__all__ = [
    "FACE_DETECTORS",
    "Answer",
    "ApproximateIndex",
    "Enrolment",
    "FaceEmbedder",
    "FaceQuality",
    "FaceReader",
    "Gallery",
    "Match",
    "Person",
    "QualityGate",
    "Removal",
    "SeenFace",
    "UltraLight",
    "face_detector",
    "face_embedder",
    "make_key",
    "mtcnn",
    "ultra_light",
]

_HOMES = {
    "embedder": ("FaceEmbedder", "face_embedder"),
    "faces": ("FACE_DETECTORS", "FaceReader", "SeenFace", "face_detector"),
    "gallery": ("Gallery",),
    "gallery_answers": ("Answer", "Enrolment", "Match", "Person", "Removal"),
    "gallery_file": ("make_key",),
    "gallery_index": ("ApproximateIndex",),
    "mtcnn": ("mtcnn",),
    "quality": ("FaceQuality", "QualityGate"),
    "ultra_light": ("UltraLight", "ultra_light"),
}


if not TYPE_CHECKING:  # a module with `__getattr__` would have every name for a type checker

    def __getattr__(name: str) -> Any:
        """Load a public name on first use (PEP 562)."""
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(importlib.import_module(f"longspan.people.{home}"), name)
                globals()[name] = value  # a module of the same name would stand there otherwise
                return value
        raise AttributeError(f"module 'longspan.people' has no attribute {name!r}")
