import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from longspan.columns import Text
from longspan.portable import OnnxModel
from longspan.portable.prediction import Prediction
from longspan.portable.target_prediction import TargetPrediction
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


def _echo(gate=None):
    def predict(values):
        for value in values:
            if value == "slow":
                gate.wait(5)
            if value == "bad":
                raise ValueError("secret contents")
        return [Prediction({"said": TargetPrediction(value)}) for value in values]

    column = Text(vocab=("a",), max_length=5, min_steps=1).as_input()
    return ServedModel(
        "echo", SimpleNamespace(predict=predict, inputs={"words": column}, decoders=["said"], columns={})
    )
