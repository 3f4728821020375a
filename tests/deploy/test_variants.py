import pytest

from longspan.deploy.variants import default_variants, parse_variant
from longspan.errors import ConfigError, UnknownNameError


def test_steps_stand_in_the_order_in_which_they_are_done():
    recipe = parse_variant("int8+prune30+student")
    assert (recipe.name, recipe.network, recipe.file) == (
        "student+prune30+int8", "student+prune30", "student+prune30+int8.onnx",
    )  # fmt: skip
    assert parse_variant("bfloat16").file == "bfloat16.safetensors"
    assert parse_variant("int8").network == "original"


@pytest.mark.parametrize("name", ["int8+onnx", "prune30+prune50"])
def test_steps_that_exclude_each_other(name):
    with pytest.raises(ConfigError, match="exclude each other"):
        parse_variant(name)


def test_an_unknown_step_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="prune50"):
        parse_variant("prune51+int8")


def test_students_are_made_where_one_is_named():
    assert "student+int8" in default_variants(True)
    assert not any("student" in each for each in default_variants(False))
