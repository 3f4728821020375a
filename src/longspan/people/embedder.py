"""From aligned faces to unit vectors, by a network of this package or one that was trained with head `Embed`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from longspan.models import create
from longspan.pipeline.identity import weights_digest
from longspan.vision.imagenet_colours import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["FaceEmbedder", "face_embedder"]

_BATCH = 64


@final
class FaceEmbedder:
    """A function stage: an aligned face `(112, 112, 3)` uint8 to a unit vector, a list of 128 numbers.

    `Stage("embed", face_embedder(), reads="face", adds="vector")`. `many` takes a batch.
    """

    def __init__(self, network: nn.Module, name: str, size_px: tuple[int, int] = (112, 112)) -> None:
        """Keep a network `(B, 3, H, W)` float, normalised as for ImageNet, to `(B, D)`.

        Args:
            network: In evaluation mode from here on.
            name: Of the network; with a digest of its weights it is `model`.
            size_px: Height and width of the faces.
        """
        self.network = network.eval()
        self.size_px = size_px
        self.model = f"{name} {weights_digest(network.state_dict())}"
        """What a gallery records, so that vectors of another network are refused."""
        self._mean, self._std = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
        with torch.inference_mode():
            self.dim = int(network(torch.zeros(1, 3, *size_px)).shape[1])

    def to_json(self) -> dict[str, Any]:
        """Its name and weights."""
        return {"face embedder": self.model}

    @torch.inference_mode()
    def many(self, faces: Sequence[np.ndarray] | np.ndarray) -> npt.NDArray[np.float32]:
        """Unit vectors of aligned faces, `(N, D)` float32.

        Args:
            faces: `(N, H, W, 3)` uint8, or a list of `(H, W, 3)`.

        Raises:
            ValueError: faces of another shape or type.
        """
        if not len(faces):
            return np.zeros((0, self.dim), np.float32)
        found = []
        for start in range(0, len(faces), _BATCH):
            part = np.stack([*faces[start : start + _BATCH]])
            if part.dtype != np.uint8 or part.shape[1:] != (*self.size_px, 3):
                raise ValueError(
                    f"aligned faces are (N, {self.size_px[0]}, {self.size_px[1]}, 3) uint8, got {part.shape}"
                )
            images = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
            found.append(F.normalize(self.network((images - self._mean) / self._std).float(), dim=1).numpy())
        return np.concatenate(found)

    def __call__(self, face: np.ndarray) -> list[float]:
        """The unit vector of one aligned face."""
        return self.many(np.asarray(face)[None])[0].tolist()


def face_embedder() -> FaceEmbedder:
    """MobileFaceNet with its published weights (see `longspan.models.vision.MobileFaceNet`); faces come from `Align()`.

    Raises:
        WeightsError: the published weights are not here.
    """
    return FaceEmbedder(create("mobilefacenet", size_px=(112, 112), weights="faces"), "mobilefacenet")
