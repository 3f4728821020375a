import subprocess
import sys
from textwrap import dedent

import pytest
import torch
from torch import nn

from longspan.nn.without_memory import on_meta, without_memory


@pytest.mark.parametrize("within", [on_meta, without_memory])
def test_a_network_has_names_and_shapes_and_no_numbers(within):
    with within():
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 5), nn.Embedding(6, 7))
        nn.init.trunc_normal_(network[0].weight)
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert {name: p.shape for name, p in network.named_parameters()} == {
        name: p.shape
        for name, p in nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(4, 5), nn.Embedding(6, 7)).named_parameters()
    }


def test_tensors_that_a_width_is_computed_from_have_numbers():
    with without_memory():
        width = torch.full((1,), 2.0)
        width.add_(3).mul_(4)
    assert float(width) == 20


def test_no_network_that_is_built_for_its_shapes_needs_the_compiler():
    said = subprocess.run(
        [
            sys.executable, "-c",
            dedent("""
                import sys
                from longspan.models import create
                from longspan.nn.without_memory import on_meta
                with on_meta():
                    network = create("squeezenet1_1", size_px=(64, 64))
                print(next(network.parameters()).device.type, "torch._dynamo" in sys.modules, "sympy" in sys.modules)
            """),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert said.stdout.split() == ["meta", "False", "False"]


def test_shapes_are_joined_as_pytorch_joins_them():
    for dim in (0, 1, -1):
        parts = [torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)]
        with on_meta():
            joined = torch.cat([torch.empty(2, 3, 4), torch.empty(2, 3, 4)], dim)
            named = torch.cat([torch.empty(2, 3, 4), torch.empty(2, 3, 4)], dim=dim)
        assert joined.shape == named.shape == torch.cat(parts, dim).shape
        assert joined.is_meta
