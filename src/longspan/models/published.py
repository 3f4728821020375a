"""Weights that their authors publish and no address gives in this form: files that somebody puts in place."""

from __future__ import annotations

import os
from pathlib import Path

from longspan.errors import WeightsError
from longspan.models.vision.imagenet import weights_cache

__all__ = ["published_file"]


def published_file(file: str, what: str, holds: str) -> Path:
    """The file in the cache folder of weights, or in the folder `weights` of LONGSPAN_DATA.

    Args:
        file: Its name.
        what: What it is, for the message.
        holds: What it has to hold, and who publishes that.

    Raises:
        WeightsError: it is in neither; the message says what to put where.
    """
    packs = os.environ.get("LONGSPAN_DATA", "").strip()
    folders = [weights_cache(), *([Path(packs) / "weights"] if packs and "://" not in packs else [])]
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise WeightsError(
        f"{what[0].upper()}{what[1:]} are not here: put {file} into {folders[0]}, or into the folder weights of "
        f"LONGSPAN_DATA. It holds {holds}."
    )
