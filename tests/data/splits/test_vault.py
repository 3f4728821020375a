import json
from datetime import UTC, datetime, timedelta

import pytest

from longspan.data.splits.vault import Vault
from longspan.errors import VaultError


def test_opening_gives_ascending_rows_and_is_counted_and_dated():
    vault = Vault([9, 2, 5])
    assert vault.open("final metrics").tolist() == [2, 5, 9]
    vault.open("  second look ")
    first, second = vault.openings
    assert (first["reason"], first["count"], first["rows"]) == ("final metrics", 1, 3)
    assert (second["reason"], second["count"]) == ("second look", 2)
    at = datetime.fromisoformat(str(first["at"]))
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def test_repr_shows_counts_and_no_row():
    vault = Vault([123456])
    assert repr(vault) == "Vault(1 row, never opened)"
    vault.open("why")
    assert repr(vault) == "Vault(1 row, opened once)"
    vault.open("why")
    assert repr(vault) == "Vault(1 row, opened 2 times)"
    assert "123456" not in json.dumps(vault.to_json())


@pytest.mark.parametrize("reason", ["", "  \n", None])
def test_opening_without_a_reason_is_refused_and_not_recorded(reason):
    vault = Vault([1])
    with pytest.raises(VaultError, match="needs a reason"):
        vault.open(reason)
    assert vault.openings == []


def test_an_empty_vault_says_how_to_make_test_rows():
    with pytest.raises(VaultError, match=r"split\(test=0.2\)"):
        Vault([]).open("final")


def test_changing_what_came_out_changes_nothing_inside():
    vault = Vault([1, 2])
    vault.open("a")[:] = 0
    vault.openings[0]["reason"] = "forged"
    vault.rows_for_leak_check()[:] = 0
    assert vault.open("b").tolist() == [1, 2]
    assert vault.openings[0]["reason"] == "a"


def test_the_leak_check_records_no_opening():
    vault = Vault([4])
    assert vault.rows_for_leak_check().tolist() == [4]
    assert vault.openings == []


def test_openings_go_on_where_an_earlier_run_stopped():
    before = Vault([3])
    before.open("first run")
    after = Vault([3], json.loads(json.dumps(before.to_json()))["openings"])
    after.open("second run")
    assert [opening["count"] for opening in after.openings] == [1, 2]
    assert after.to_json() == {"rows": 1, "openings": after.openings}


def test_an_opening_after_training_is_marked_and_the_first_look_is_not():
    vault = Vault([1, 2])
    vault.note_training()
    vault.open("a first look")
    vault.open("the same weights")
    vault.note_training()
    vault.open("a second look")
    assert [opening["after_training"] for opening in vault.openings] == [False, False, True]
    # A run that goes on knows of the openings before it: what it trains now is trained after them.
    after = vault.continued(vault.openings[:1])
    after.note_training()
    after.open("after the kill")
    assert [opening["after_training"] for opening in after.openings] == [False, True]


def test_rows_that_were_seen_can_be_looked_at_again_and_others_not():
    vault = Vault([5, 1])
    with pytest.raises(VaultError, match="sealed"):
        vault.opened_rows()
    vault.open("a look")
    assert vault.opened_rows().tolist() == [1, 5]
    assert len(vault.openings) == 1


def test_rows_leave_a_vault_only_before_it_is_opened():
    vault = Vault([1, 2, 3])
    assert len(vault.without([2, 9])) == 2
    vault.open("a look")
    with pytest.raises(VaultError, match="can no longer move"):
        vault.without([2])
