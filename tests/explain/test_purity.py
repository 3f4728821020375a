import numpy as np
import torch

from longspan.explain.purity import same_class


def test_purity_counts_pairs_of_one_class():
    values = torch.tensor([[9.0, 1], [8, 2], [7, 3], [1, 9], [2, 8], [3, 7.5]])
    labels = ["a", "a", "a", "b", "a", "b"]
    # Channel 0: a a a. Channel 1: b a b, one of three pairs.
    np.testing.assert_allclose(same_class(values, labels, 3), [1, 1 / 3])
