"""Embeddings of several categories as one step, against PyTorch's own, one after the other."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import embedding

from longspan.nn import embed_categories as module
from longspan.nn.embed_categories import embed_categories


def tables() -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((10, 6), (3, 2), (17, 8), (1, 1))
    weights = [torch.randn(*shape, generator=generator).requires_grad_() for shape in shapes]
    return torch.stack([torch.randint(0, count, (50,), generator=generator) for count, _ in shapes], dim=1), weights


def values_and_gradients(
    classes: torch.Tensor, weights: list[torch.Tensor], result: torch.Tensor
) -> list[torch.Tensor]:
    counted = torch.linspace(-2, 3, result.numel()).view_as(result)
    return [result.detach(), *torch.autograd.grad((result * counted).sum(), weights)]


@pytest.mark.parametrize("small", [0, 1 << 16])
def test_values_and_gradients_equal_those_of_one_embedding_after_the_other(
    small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL", small)
    classes, weights = tables()
    apart = torch.cat([embedding(classes[:, i], weight) for i, weight in enumerate(weights)], dim=1)
    found = values_and_gradients(classes, weights, embed_categories(classes, weights))
    for mine, theirs in zip(found, values_and_gradients(classes, weights, apart), strict=True):
        assert torch.equal(mine, theirs)


def test_a_table_that_does_not_learn_gets_no_gradient() -> None:
    classes, weights = tables()
    weights[1].requires_grad_(False)
    embed_categories(classes, weights).sum().backward()
    assert [weight.grad is None for weight in weights] == [False, True, False, False]


def test_gradients_are_those_of_finite_differences() -> None:
    classes, weights = tables()
    double = [weight.detach().double().requires_grad_() for weight in weights]
    assert torch.autograd.gradcheck(lambda *each: embed_categories(classes[:5], each), double)


def test_a_class_beyond_a_table_is_an_error_and_no_weight_of_the_next_table() -> None:
    classes, weights = tables()
    classes[0, 1] = 3
    with pytest.raises(IndexError):
        embed_categories(classes, weights)
