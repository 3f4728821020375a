import pytest
import torch

from longspan.errors import ConfigError
from longspan.nn import GlobalPool


def test_average_and_maximum_by_hand():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[-1.0, -2.0], [-3.0, -6.0]]]])
    assert GlobalPool("avg")(maps).tolist() == [[3.0, -3.0]]
    assert GlobalPool("avg_max")(maps).tolist() == [[3.0, -3.0, 6.0, -1.0]]
    assert GlobalPool("avg_max").num_features(2) == 4


def test_unknown_pooling_is_refused():
    with pytest.raises(ConfigError, match="'avg' or 'avg_max', got 'max'"):
        GlobalPool("max")  # pyright: ignore[reportArgumentType]
