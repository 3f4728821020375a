import json

import pytest

from longspan.models.catalogue import catalogue


def test_a_named_network_is_told_layer_by_layer(longspan, tmp_path):
    answer = longspan("layers", "lenet5", "--batch", 2, "--repeats", 1, "--device", "cpu", "--out", tmp_path / "p.html")
    assert (answer.code, answer.err) == (0, "")
    published = next(each for each in catalogue() if each.name == "lenet5")
    assert f"lenet5: {published.parameters:,} parameters" in answer.out
    assert f"{published.multiply_adds:,} multiply-adds" in answer.out
    assert (tmp_path / "p.html").exists()


def test_a_model_file_is_measured_with_and_without_rows(longspan, trained, pets):
    noise = json.loads(longspan("layers", trained, "--batch", 3, "--repeats", 1, "--json").out)
    rows = json.loads(longspan("layers", trained, pets, "--batch", 3, "--repeats", 1, "--json").out)
    assert [each["name"] for each in noise["layers"]] == [each["name"] for each in rows["layers"]]
    assert {each["multiply_adds"] for each in noise["layers"]} == {each["multiply_adds"] for each in rows["layers"]}
    assert rows["batch"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("alexnot",), "alexnet"),
        (("missing.safetensors",), "missing.safetensors"),
        (("lenet5", "--batch", "0"), "--batch must be at least 1"),
        (("lenet5", "digits"), "SOURCE is for a model file"),
        (("lenet5", "--size", "3"), "3"),
        (("mlp",), "does not read images"),
    ],
)
def test_slips_are_told(longspan, words, message):
    answer = longspan("layers", *words)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
