import numpy as np
import pytest

from longspan.errors import ConfigError
from longspan.people.quality import FaceQuality, QualityGate
from longspan.vision.align import FACE_TEMPLATE

ALIGNED = np.random.default_rng(0).integers(60, 190, (112, 112, 3)).astype(np.uint8)


def measured(aligned=ALIGNED, score=0.99, **moved):
    points = {name: list(at) for name, at in FACE_TEMPLATE.items()} | moved
    return FaceQuality.of({"points": points, "score": score, "box": [0, 0, 1, 1]}, aligned)


def test_a_good_face_passes():
    quality = measured()
    assert quality.eyes_px == pytest.approx(35.2, abs=0.1)
    assert abs(quality.roll_deg) < 1
    assert abs(quality.yaw) < 0.05
    assert QualityGate().faults(quality) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"score": 0.5}, "hardly a face"),
        ({"left eye": [50, 52], "right eye": [60, 52], "nose": [55, 60]}, "is small"),
        ({"aligned": np.full((112, 112, 3), 128, np.uint8)}, "blurred"),
        ({"aligned": ALIGNED // 6}, "too dark"),
        ({"aligned": 235 + ALIGNED // 20}, "too bright"),
        ({"aligned": 100 + ALIGNED // 20}, "no contrast"),
        ({"left eye": [56, 20], "right eye": [56, 80], "nose": [30, 50]}, "lies on its side"),
        ({"nose": [75, 70]}, "looks to the side"),
    ],
)
def test_each_fault_is_told_with_its_cure(changed, words):
    faults = QualityGate().faults(measured(**changed))
    assert any(words in fault for fault in faults)
    assert all(": " in fault or "camera" in fault for fault in faults)


def test_options_that_cannot_be():
    with pytest.raises(ConfigError, match="brightness"):
        QualityGate(brightness=(200, 100))
    with pytest.raises(ConfigError, match="sharpness"):
        QualityGate(sharpness=-1)
