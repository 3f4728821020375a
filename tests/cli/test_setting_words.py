import pytest

from longspan.cli.setting_words import parse_settings
from longspan.errors import ConfigError


def test_settings_are_names_and_values_and_the_last_of_a_name_counts():
    assert parse_settings(["steps=5", " width =a=b", "steps=6"], "steps=9") == {"steps": "6", "width": "a=b"}


@pytest.mark.parametrize("word", ["steps", "steps=", "=5"])
def test_what_is_not_a_setting_is_named_with_an_example(word):
    with pytest.raises(ConfigError, match=f"--set {word}: write NAME=VALUE, as in --set steps=9"):
        parse_settings([word], "steps=9")
