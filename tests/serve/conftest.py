import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from longspan.columns import Text
from longspan.portable import OnnxModel
from longspan.portable.prediction import Prediction
from longspan.portable.target_prediction import TargetPrediction
from longspan.portable.trained_model import TrainedModel
from longspan.serve.served_model import ServedModel


class Png:
    """PNG files of random grey images, and their pixels."""

    def array(self, seed, side=28):
        return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)

    def __call__(self, seed, side=28):
        file = io.BytesIO()
        Image.fromarray(self.array(seed, side)).save(file, "PNG")
        return file.getvalue()


@pytest.fixture
def png_of():
    return Png()


@pytest.fixture
def photos(exported):
    """A served model that reads photos."""
    return ServedModel("photos", OnnxModel.load(exported[1].path, threads=1), file_mb=0.2)


@pytest.fixture
def echo():
    """Makes a model that predicts the words that it was sent, so that a swapped answer would show."""
    return _echo


@dataclass
class Echo(TrainedModel):
    gate: Any

    what = "an echo"
    target_columns = {"said": None}  # noqa: RUF012

    @property
    def input_columns(self):
        return {"words": Text(vocab=("a",), max_length=5, min_steps=1).as_input()}

    def predict(self, values):
        for value in values:
            if value == "slow":
                self.gate.wait(5)
            if value == "bad":
                raise ValueError("secret contents")
        return [Prediction({"said": TargetPrediction(value)}) for value in values]


def _echo(gate=None):
    return ServedModel("echo", Echo(gate))
