from dataclasses import dataclass, replace

import pytest

from longspan.errors import ConfigError
from longspan.models.options import check_options


@dataclass(frozen=True, kw_only=True)
class Options:
    layers: int = 2
    kernels: tuple[int, ...] = (3, 5)
    history: int | None = None
    dropout: float = 0.1
    stride: int = 2

    def __post_init__(self):
        check_options(
            self,
            least={"layers": 1, "kernels": 3, "history": 4},
            odd=["kernels"],
            fractions=["dropout"],
            one_of={"stride": (2, 4)},
        )


def test_values_that_can_be():
    replace(Options(), layers=1, kernels=(7,), history=4, dropout=0, stride=4)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"layers": 0}, r"Options\.layers must be at least 1, got 0\.$"),
        ({"layers": 1.5}, r"layers must be a whole number of at least 1, got 1\.5"),
        ({"layers": True}, "layers must be a whole number"),
        ({"layers": None}, "layers must be a whole number of at least 1, got None"),
        ({"kernels": ()}, "kernels must be whole numbers of at least 3"),
        ({"kernels": (3, 1)}, "kernels must be whole numbers of at least 3"),
        ({"kernels": (3, 4)}, r"kernels must be odd numbers, got \(3, 4\)"),
        ({"history": 3}, "history must be at least 4, or None, got 3"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"dropout": float("nan")}, "dropout must be at least 0"),
        ({"dropout": "much"}, "dropout must be at least 0 and below 1, got 'much'"),
        ({"stride": 3}, "stride must be 2 or 4, got 3"),
    ],
)
def test_each_fault_is_named(wrong, words):
    with pytest.raises(ConfigError, match=words):
        replace(Options(), **wrong)


def test_all_faults_are_named_at_once():
    with pytest.raises(ConfigError, match=r"layers .*\n.*dropout .*\n.*stride"):
        Options(layers=0, dropout=2, stride=1)
