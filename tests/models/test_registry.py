import json

import pytest

from longspan.errors import ConfigError, ModelFileError, ShapeError, UnknownNameError
from longspan.models import DeepCNNConfig, SmallResNetConfig, create, from_json, model_names, to_json


def test_unknown_name_gives_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no model 'rsnet34'. Did you mean 'resnet34'\?"):
        create("rsnet34")


def test_config_object_instead_of_a_name():
    model = create(DeepCNNConfig(dropout=0.0, units=7), in_channels=1, size_px=(28, 28))
    assert model.config == DeepCNNConfig(dropout=0.0, units=7)
    assert model.num_features == 7


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("lenet5", {"in_channels": 1, "size_px": (28, 28)}),
        ("resnet32", {"in_channels": 4, "size_px": (48, 32), "pool": "avg_max"}),
        (DeepCNNConfig(init="small", batch_norm=True), {"in_channels": 2, "size_px": (20, 28)}),
        (SmallResNetConfig(blocks=1, width=8), {"size_px": (32, 32)}),
        ("squeezenet1_1", {"in_channels": 1, "size_px": (96, 64), "pool": "avg"}),
    ],
)
def test_written_down_and_rebuilt(model, options):
    built = create(model, **options)
    again = from_json(json.loads(json.dumps(to_json(built))))
    again.load_state_dict(built.state_dict())
    assert to_json(again) == to_json(built)
    assert (again.name, again.config, again.pool, again.size_px) == (
        built.name,
        built.config,
        built.pool,
        built.size_px,
    )


def test_descriptions_that_are_not_ours():
    good = to_json(create("resnet20"))
    with pytest.raises(ModelFileError, match="'size_px'"):
        from_json({key: value for key, value in good.items() if key != "size_px"})
    with pytest.raises(ModelFileError, match=r"unknown keys \['depth'\]"):
        from_json({**good, "depth": 3})
    with pytest.raises(ModelFileError, match="unexpected keyword argument 'blok'"):
        from_json({**good, "options": {"blok": 3}, "name": "small_resnet"})
    with pytest.raises(UnknownNameError, match="no model 'resnet2O'"):
        from_json({"name": "resnet2O", "in_channels": 3, "size_px": [32, 32], "pool": None})


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="in_channels must be at least 1, got 0"):
        create("lenet5", in_channels=0)
    with pytest.raises(ConfigError, match="'avg', 'avg_max' or None, got 'max'"):
        create("resnet20", pool="max")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ShapeError, match="0 x 0"):
        create("resnet20", size_px=(0, 0))


def test_no_name_stands_twice():
    assert len(model_names()) == len(set(model_names())) == 117
