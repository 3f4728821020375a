"""Dimensions where they are known: clouds in a box, on a sphere, on a flat surface; and the made-up faces."""

import pytest
import torch

from longspan.errors import ConfigError
from longspan.systems.claims.dimension import (
    FREEDOMS,
    maximum_likelihood,
    principal_components_for,
    rendered_faces,
    two_nn,
)  # fmt: skip

both = pytest.mark.parametrize("estimate", [two_nn, maximum_likelihood])


def _normal(count, dimensions, seed=0):
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


@both
@pytest.mark.parametrize("dimensions", [1, 3, 6])
def test_the_dimension_of_a_flat_surface_in_a_larger_space(estimate, dimensions):
    points = _normal(1500, dimensions) @ _normal(dimensions, 40, seed=1)
    assert estimate(points) == pytest.approx(dimensions, rel=0.12)


@both
def test_a_sphere_is_curved_and_has_two_dimensions(estimate):
    points = torch.nn.functional.normalize(_normal(1500, 3), dim=1)
    assert estimate(points) == pytest.approx(2, rel=0.1)
    assert principal_components_for(points) == 3


@both
def test_neither_scale_nor_copies_matter(estimate):
    points = _normal(600, 3)
    assert estimate(100 * points) == pytest.approx(estimate(points), rel=1e-6)
    assert torch.isfinite(torch.tensor(estimate(torch.cat([points, points[:5]]))))


def test_components_for_a_fraction_of_the_variance():
    points = _normal(2000, 3) * torch.tensor([10.0, 1.0, 0.1])
    assert principal_components_for(points, 0.95) == 1
    assert principal_components_for(points, 0.9995) == 2


def test_faces_differ_in_as_many_ways_as_asked():
    faces = rendered_faces(40, 3, 0)
    assert faces.shape == (40, 1, 28, 28)
    assert 0 <= float(faces.min()) < float(faces.max()) <= 1
    assert torch.equal(faces, rendered_faces(40, 3, 0))
    assert not torch.equal(faces, rendered_faces(40, 3, 1))


@pytest.mark.parametrize("freedoms", range(1, FREEDOMS + 1))
def test_every_degree_of_freedom_is_seen(freedoms):
    """The last one changes the image where the others stay as they were drawn."""
    spread = rendered_faces(200, freedoms, 0).std(0).sum()
    assert float(spread) > 0
    before = rendered_faces(400, freedoms, 0).flatten(1)
    rank = torch.linalg.matrix_rank((before - before.mean(0)).double(), rtol=1e-4)
    assert int(rank) >= freedoms


def test_wrong_numbers_are_named():
    with pytest.raises(ConfigError, match="1 to 8 degrees of freedom, got 9"):
        rendered_faces(3, 9, 0)
    with pytest.raises(ConfigError, match="more than 10 points, got 4"):
        maximum_likelihood(torch.rand(4, 3))
