import numpy as np
import pytest
import torch
from PIL import Image as PILImage

import longspan as ls
from longspan.errors import ConfigError, DataError, UnknownNameError
from longspan.inference import Prediction


@pytest.fixture(scope="module")
def learner(small):
    config = ls.TrainConfig(batch_size=5, precision="float32", augment=ls.Augment(shift=0.2, flip=True))
    return small.learner(small.task(["side", "light"], missing=True), config=config).fit(1)


@pytest.fixture(scope="module")
def model(learner):
    return learner.predictor()


@pytest.fixture(scope="module")
def images(learner):
    return list(learner.task.table.arrays["image"])


@pytest.fixture
def files(images, tmp_path):
    paths = [tmp_path / f"{i:02}.png" for i in range(6)]
    for path, pixels in zip(paths, images, strict=False):
        PILImage.fromarray(pixels).save(path)
    return paths


def lights(predictions):
    return [prediction["light"] for prediction in predictions]


# --- forms of what is asked ------------------------------------------------------------------------------------------


def test_one_sample_gives_one_prediction_and_several_as_many(model, images):
    single = model.predict(images[3])
    assert isinstance(single, Prediction)
    many = model.predict(images[:5])
    assert isinstance(many, list)
    assert lights([single]) == pytest.approx(lights([many[3]]), rel=1e-5)
    assert [p.to_json() for p in model.predict(tuple(images[:5]))] == [p.to_json() for p in many]
    assert model.predict([]) == []
    assert len(model.predict([images[0]])) == 1


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, None, "8"])
def test_batch_sizes_that_cannot_be(model, images, batch_size):
    with pytest.raises(ConfigError, match="batch_size must be a whole number of at least 1"):
        model.predict(images[:2], batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_order_is_kept_whatever_the_batches(model, images, batch_size):
    one_by_one = [model.predict(image)["light"] for image in images]
    assert lights(model.predict(images, batch_size=batch_size)) == pytest.approx(one_by_one, rel=1e-4)
    turned = lights(model.predict(images[::-1], batch_size=batch_size))
    assert turned == pytest.approx(one_by_one[::-1], rel=1e-4)


def test_every_form_of_an_image_is_understood(model, images, files):
    expected = model.predict(images[0])["light"]
    forms = [files[0], str(files[0]), files[0].read_bytes(), PILImage.fromarray(images[0]), torch.tensor(images[0])]
    assert lights(model.predict(forms)) == pytest.approx([expected] * 5, rel=1e-5)
    assert model.predict({"image": images[0]})["light"] == pytest.approx(expected, rel=1e-5)
    assert model.predict(files[0]).source == str(files[0])
    assert model.predict(images[0]).source is None


def test_a_table_needs_the_inputs_only(model, images, files):
    table = ls.Table.from_files(files[0].parent, r"(?P<n>\d+)\.png")
    found = model.predict(table)
    assert lights(found) == pytest.approx(lights(model.predict(images[:6])), rel=1e-4)
    assert [prediction.source for prediction in found] == [str(path) for path in files]
    of_arrays = ls.Table.from_arrays({"image": np.stack(images[:3])}, {"image": ls.Image()})
    assert lights(model.predict(of_arrays)) == pytest.approx(lights(found[:3]), rel=1e-4)
    other = ls.Table.from_files(files[0].parent, r".*png", image="imago")
    with pytest.raises(UnknownNameError, match=r"There is no column 'image'. Did you mean 'imago'"):
        model.predict(other)


def test_an_image_of_another_size_or_colour_is_brought_to_the_models(model, images):
    large = np.asarray(PILImage.fromarray(images[0]).resize((16, 16), PILImage.Resampling.NEAREST))
    colour = np.stack([large] * 3, axis=2)
    expected = model.predict(images[0])["light"]
    assert lights(model.predict([large, colour])) == pytest.approx([expected] * 2, rel=0.05)


# --- faults ----------------------------------------------------------------------------------------------------------


def test_all_inputs_that_cannot_be_used_are_named_at_once(model, files, images):
    files[1].write_bytes(b"")
    (files[0].parent / "text.png").write_text("no image")
    bad = [files[0], files[1], files[0].parent / "text.png", files[0].parent / "gone.png", 3, images[0].astype(float)]
    with pytest.raises(DataError) as caught:
        model.predict(bad)
    assert [fault.what.split(" ", 3)[:3] for fault in caught.value.faults] == [
        ["the", "file", "is"],
        ["this", "is", "not"],
        ["the", "file", "does"],
        ["an", "image", "is"],
        ["an", "array", "image"],
    ]
    assert [fault.where for fault in caught.value.faults][3:] == ["sample 4", "sample 5"]
    assert str(caught.value).startswith("Nothing was predicted")


def test_bad_rows_of_a_table_are_named(model, files):
    files[1].write_bytes(b"")
    table = ls.Table.from_files(files[0].parent, r".*png")
    with pytest.raises(DataError, match=rf"{files[1]}: the file is empty"):
        model.predict(table)


def test_several_images_in_one_array_are_not_taken_for_one(model, images):
    with pytest.raises(DataError, match="several images are a list of them"):
        model.predict(np.stack(images[:5]))


def test_a_dict_without_the_input_names_it(model, images):
    with pytest.raises(UnknownNameError, match="There is no input 'image'"):
        model.predict({"photo": images[0]})


# --- several inputs --------------------------------------------------------------------------------------------------


def test_several_inputs_come_as_dicts(small):
    class Two(torch.nn.Module):
        num_features = 2

        def forward(self, image, light):
            return torch.stack([image.mean(dim=(1, 2, 3)), light], dim=1)

    table = small.table()
    task = ls.Task(table.split(valid=6, stratify=None), ["image", "light"], "side")
    model = small.learner(task, Two()).predictor()
    found = model.predict([table[i] for i in range(4)])
    assert [p.value for p in found] == [p.value for p in model.predict(table)[:4]]
    assert model.predict({"image": table[0]["image"], "light": 50}).value in ("left", "right")
    with pytest.raises(ConfigError, match=r"This model reads \['image', 'light'\]: give each sample as a dict"):
        model.predict(table[0]["image"])
    with pytest.raises(DataError, match="sample 0: the input is missing"):
        model.predict({"image": table[0]["image"], "light": None})


# --- measuring and views ---------------------------------------------------------------------------------------------


def test_evaluate_equals_the_learner_and_leaves_missing_truths_out(learner, model):
    task = learner.task
    valid = task.table.take(task.valid.numpy())
    found, expected = model.evaluate(valid), learner.evaluate()
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-4)
    assert learner.evaluate(valid) == pytest.approx(expected, rel=1e-4)


def test_evaluate_names_rows_and_columns_that_cannot_be_used(model, small):
    table = small.table()
    with pytest.raises(UnknownNameError, match="There is no column 'light'"):
        model.evaluate(table.select("image", "side"))
    with pytest.raises(DataError, match=r"Nothing was measured(.|\n)*class 'top' does not occur"):
        model.evaluate(table.with_column("side", ls.Category(), ["top"] + ["left"] * 19))


def test_rows_without_any_target_are_refused_and_without_one_of_two_measured(model, learner):
    table = learner.task.table.take(learner.task.valid.numpy())
    none = [None] * len(table)
    columns = {name: table.columns[name] for name in ("side", "light")}
    half = table.with_column("light", columns["light"], none)
    assert {name.partition(".")[0] for name in model.evaluate(half)} == {"loss", "side"}
    with pytest.raises(
        DataError, match=r"No row of .* has a value in 'side' or 'light', so there is nothing to measure"
    ):
        model.evaluate(half.with_column("side", columns["side"], none))


def test_views_average_what_augmented_views_say(model, images):
    size_px = model.inputs["image"].size_px
    rows = torch.arange(3)
    augment_params = model.augment.views(4, rows, size_px)
    expected = 0
    encoded = torch.from_numpy(np.stack(images[:3]))[..., None]
    with torch.no_grad():
        for view in augment_params:
            outputs = model.network(model.inputs["image"].prepare(encoded, view))
            expected = expected + model.heads["side"].postprocess(outputs["side"]) / 4
    found = [prediction.by_target["side"].probabilities for prediction in model.predict(images[:3], views=4)]
    for answer, row in zip(found, expected, strict=True):
        assert list(answer.values()) == pytest.approx(row.tolist(), abs=1e-5)
    plain = [prediction.by_target["side"].probabilities for prediction in model.predict(images[:3])]
    assert found != plain


@pytest.mark.filterwarnings("ignore:.*rows trained this model")
def test_measured_views_have_no_loss(learner, model, small):
    figures = model.evaluate(small.table(), views=3)
    assert "loss" not in figures
    assert "side.accuracy" in figures
    assert "loss" not in learner.evaluate(views=3)
    assert "valid, 3 views" in learner.evaluations


def test_views_need_augmentation_and_images(small, images):
    plain = small.learner().predictor()
    with pytest.raises(ConfigError, match="views=3 needs a model trained with augmentation"):
        plain.predict(images[0], views=3)


@pytest.mark.filterwarnings("ignore:.*rows trained this model")
def test_predicting_and_measuring_leave_the_network_as_it_was(learner, small, images):
    before, state = small.weights(learner), torch.get_rng_state()
    model, mode = learner.predictor(), learner.network.training
    learner.network.train()
    expected = model.raw_predictions(images).values
    model.predict(images)
    model.evaluate(small.table())
    assert learner.network.training
    assert not any(module.training for module in model.network.modules())
    learner.network.train(mode)
    assert small.same(before, learner)
    again = learner.predictor().raw_predictions(images).values
    assert all(torch.equal(expected[name], again[name]) for name in expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_repr_says_what_it_is(model):
    assert repr(model) == "Predictor(resnet8: image -> side, light)"
