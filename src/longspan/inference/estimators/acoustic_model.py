"""A trained acoustic model: how well each frame of a recording fits each state of each phoneme."""

# T frames, D features, N states, W width of a network

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor, nn

from longspan.audio.hmm import PhonemeHMM
from longspan.errors import ModelFileError

__all__ = ["FRAMES_TOGETHER", "AcousticModel", "FrameNetwork", "StateScores"]

FRAMES_TOGETHER = 3
_SCALE = 0.1
_TENSORS = ("means", "variances", "log_weights", "log_stay")


@final
@dataclass(frozen=True, slots=True)
class StateScores:
    """What an acoustic model heard in a recording."""

    scores: np.ndarray
    """`(T, N)` float32: log-likelihoods of the states, times `AcousticModel.scale`."""
    model: AcousticModel
    """Whose states they are."""


@final
class FrameNetwork(nn.Module):
    """Dilated convolutions over the features; one step of three frames gives the states of all three.

    With `narrow`, the first layer joins nine frames at once and the last is a product of two: there are hundreds of
    states, and few recordings. Without, it is the network of models of the first version.

    Source: Peddinti, Povey, Khudanpur 2015, "A time delay neural network architecture for efficient modeling of long
    temporal contexts"; several frames a step: Vanhoucke, Devin, Heigold 2013, "Multiframe deep neural networks for
    acoustic modeling".
    """

    def __init__(
        self,
        num_features: int,
        num_states: int,
        width: int,
        *,
        dilations: Sequence[int] = (1, 2, 4),
        narrow: int | None = None,
    ) -> None:
        """Layers of `width` channels, `narrow` before the last."""
        super().__init__()
        self.width, self.num_states = width, num_states
        self.dilations, self.narrow = tuple(dilations), narrow
        if narrow is None:
            self.stem = nn.Sequential(
                nn.Conv1d(num_features, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(),
                nn.Conv1d(width, width, 3, stride=FRAMES_TOGETHER), nn.BatchNorm1d(width), nn.ReLU(),
            )  # fmt: skip
        else:  # nothing is computed for each single frame
            self.stem = nn.Sequential(
                nn.Conv1d(num_features, width, 9, stride=FRAMES_TOGETHER, padding=3), nn.BatchNorm1d(width), nn.ReLU()
            )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation), nn.BatchNorm1d(width), nn.ReLU(),
                nn.Dropout(0.2),
            )
            for dilation in self.dilations
        )  # fmt: skip
        outputs = FRAMES_TOGETHER * num_states
        if narrow is None:
            self.last = nn.Conv1d(width, outputs, 1)
        else:
            self.last = nn.Sequential(
                nn.Conv1d(width, narrow, 1, bias=False), nn.BatchNorm1d(narrow), nn.Conv1d(narrow, outputs, 1)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Logits `(B, T, N)` of features `(B, T, D)`; T is a multiple of three."""
        steps = self.stem(features.transpose(1, 2))
        for block in self.blocks:
            steps = steps + block(steps)
        return self.last(steps).transpose(1, 2).reshape(len(features), -1, self.num_states)


@final
class AcousticModel:
    """Hidden Markov models of phonemes, whose states are heard by Gaussian mixtures or by a network.

    A network gives probabilities of states; divided by how frequent each state is, they stand in place of likelihoods
    (Bourlard and Morgan 1994, "Connectionist speech recognition: a hybrid approach").
    """

    scale = _SCALE
    """By which log-likelihoods are multiplied: those of neighbouring frames are not independent."""

    def __init__(
        self,
        hmm: PhonemeHMM,
        network: FrameNetwork | None = None,
        log_priors: Tensor | None = None,
        steps_done: int = 0,
    ) -> None:
        """Put them together.

        Args:
            hmm: Phonemes and states.
            network: In place of the Gaussians.
            log_priors: `(N,)` how frequent each state is, for a network.
            steps_done: Batches that the network learned from.
        """
        self.hmm, self.network, self.log_priors, self.steps_done = hmm, network, log_priors, steps_done

    def __repr__(self) -> str:
        form = "network" if self.network is not None else "monophones" if self.hmm.tied is None else "tied states"
        return f"AcousticModel({form}, {len(self.hmm.phonemes) - 1} phonemes, {self.hmm.num_states} states)"

    def hear(self, features: np.ndarray | Tensor) -> StateScores:
        """The scores of a recording's features, `(T, D)`."""
        wide = torch.as_tensor(features, dtype=torch.float32)
        if self.network is None:
            return StateScores((_SCALE * self.hmm.log_likelihoods(wide)).numpy(), self)
        assert self.log_priors is not None
        missing = -len(wide) % FRAMES_TOGETHER
        padded = torch.nn.functional.pad(wide, (0, 0, 0, missing))
        self.network.eval()
        with torch.inference_mode():
            logs = self.network(padded[None])[0, : len(wide)].log_softmax(dim=1)
        return StateScores((logs - self.log_priors).numpy(), self)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """JSON values and tensors for a file."""
        tensors = {name: getattr(self.hmm, name).contiguous() for name in _TENSORS}
        fields: dict[str, Any] = {"phonemes": list(self.hmm.phonemes), "steps_done": self.steps_done}
        if self.hmm.tied is not None:
            tensors["tied"] = self.hmm.tied
        if self.network is not None:
            assert self.log_priors is not None
            weights = self.network.state_dict()
            tensors |= {"log_priors": self.log_priors, **{f"network.{name}": each for name, each in weights.items()}}
            fields |= {
                "width": self.network.width, "features": self.network.stem[0].in_channels,
                "dilations": list(self.network.dilations), "narrow": self.network.narrow,
            }  # fmt: skip
        return fields, tensors

    @classmethod
    def from_parts(cls, fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """What `to_parts` gave.

        Raises:
            ModelFileError: damaged.
        """
        try:
            phonemes = tuple(map(str, fields["phonemes"]))
            hmm = PhonemeHMM(phonemes, *(tensors[name] for name in _TENSORS), tied=tensors.get("tied"))
            count = hmm.num_states
            assert hmm.means.ndim == 3
            assert hmm.variances.shape == hmm.means.shape
            assert hmm.log_weights.shape == hmm.means.shape[:2]
            assert hmm.log_stay.shape == (count,)
            if hmm.tied is None:
                assert count == 3 * len(phonemes)
            else:
                assert hmm.tied.shape == (len(phonemes), len(phonemes), len(phonemes), 3)
                assert 0 <= int(hmm.tied.min()) <= int(hmm.tied.max()) < count
            if "width" not in fields:
                return cls(hmm)
            narrow = fields.get("narrow")  # files of the first version have neither
            network = FrameNetwork(
                int(fields["features"]), count, int(fields["width"]),
                dilations=[int(each) for each in fields.get("dilations", (1, 2, 4))],
                narrow=None if narrow is None else int(narrow),
            )  # fmt: skip
            below = {
                name.removeprefix("network."): each for name, each in tensors.items() if name.startswith("network.")
            }
            network.load_state_dict(below)
            assert tensors["log_priors"].shape == (count,)
            return cls(hmm, network, tensors["log_priors"], int(fields["steps_done"]))
        except (KeyError, TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise ModelFileError(f"the acoustic model is damaged: {error}") from error
