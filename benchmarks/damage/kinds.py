"""How each kind of input is damaged: format-aware ways beside the blind ones, chosen at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import final

from damage.bytes import damage_bytes
from damage.containers import damage_pth, damage_safetensors, damage_study, hostile_tar, hostile_zip
from damage.corpus import Seed
from damage.images import damage_bmp, damage_idx, damage_jpeg, damage_png
from damage.settings import SETTINGS
from damage.values import damage_csv, damage_json, damage_tokens, damage_xml

__all__ = ["FRACTIONS", "Cases"]

FRACTIONS = {
    "jpeg": 8,
    "png": 9,
    "webp": 5,
    "bmp": 5,
    "gif": 3,
    "tiff": 3,
    "idx": 7,
    "csv": 9,
    "parquet": 6,
    "coco": 9,
    "voc": 7,
    "yolo": 5,
    "wider": 5,
    "masks": 6,
    "model": 9,
    "checkpoint": 4,
    "study": 6,
    "zip": 6,
    "tar": 7,
    "pth": 3,
    "names": 4,
    "console": 4,
    "nested": 4,
    "batches": 4,
}
"""Cases of each kind, in proportion."""


def _text(change: Callable[[str, random.Random], str]) -> Callable[[bytes, random.Random], bytes]:
    return lambda content, rng: change(content.decode("utf-8"), rng).encode("utf-8", "surrogatepass")


_AWARE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "jpeg": damage_jpeg,
    "png": damage_png,
    "bmp": damage_bmp,
    "masks": damage_png,
    "idx": damage_idx,
    "csv": _text(damage_csv),
    "coco": _text(damage_json),
    "voc": _text(damage_xml),
    "yolo": _text(damage_tokens),
    "wider": _text(damage_tokens),
    "model": damage_safetensors,
    "checkpoint": damage_safetensors,
    "study": damage_study,
    "pth": damage_pth,
}
_TAR_MODES = {"a.tar": "w", "a.tar.gz": "w:gz", "a.tar.xz": "w:xz"}


@final
class Cases:
    """Damaged inputs by kind and number: the same seed, kind and number give the same bytes."""

    def __init__(self, corpus: dict[str, list[Seed]], seed: int) -> None:
        """Damage these inputs."""
        self.corpus = corpus
        self.seed = seed

    def files(self, kind: str, number: int) -> tuple[dict[str, bytes], str]:
        """The files of one case, and which of them is damaged; below 0, the sound files of that place from the end."""
        if number < 0:
            return self.corpus[kind][number].files, self.corpus[kind][number].damaged
        rng = random.Random(f"{self.seed}/{kind}/{number}")
        start = rng.choice(self.corpus[kind])
        damaged = self._damaged(kind, start, rng)
        return {**start.files, start.damaged: damaged}, start.damaged

    def _damaged(self, kind: str, start: Seed, rng: random.Random) -> bytes:
        if kind in SETTINGS:
            return SETTINGS[kind](rng)
        if kind == "zip" and rng.random() < 0.5:
            return hostile_zip(rng)
        if kind == "tar" and rng.random() < 0.5:
            return hostile_tar(rng, _TAR_MODES[start.damaged])
        content = start.content
        aware = _AWARE.get(kind)
        if aware is not None and rng.random() < 0.6:
            content = aware(content, rng)
            if rng.random() < 0.8:
                return content
        return damage_bytes(content, rng, [other.content for other in self.corpus[kind]])
