import warnings

import pytest

from longspan.data.annotations.faults import Faults
from longspan.errors import ConfigError, DataError


def test_all_faults_are_raised_at_once():
    faults = Faults("a.json", "raise")
    for number in range(12):
        faults.add(f"annotation {number}", ValueError("has no area"), "Delete it.")
    with pytest.raises(DataError) as caught:
        faults.close()
    message = str(caught.value)
    assert message.startswith("12 faults in a.json:\n  annotation 0: has no area. Delete it.\n")
    assert "... and 2 more" in message
    assert 'on_error="skip"' in message
    assert len(caught.value.faults) == 12


def test_skip_warns_once_with_the_number_and_the_first():
    faults = Faults("a.json", "skip")
    for number in range(5):
        faults.add(f"annotation {number}", "has no area")
    with pytest.warns(
        UserWarning, match=r"(?s)5 faults in a.json:\n  annotation 0: has no area\n.*\n  ... and 2 more"
    ) as caught:
        faults.close()
    assert len(caught) == 1


def test_nothing_happens_without_faults():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Faults("a.json", "skip").close()
        Faults("a.json", "raise").close()


def test_other_ways_are_refused():
    with pytest.raises(ConfigError, match="'raise' or 'skip', got 'ignore'"):
        Faults("a.json", "ignore")  # type: ignore[arg-type]
