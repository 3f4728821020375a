from longspan.data import Vault
from longspan.report import Document, add_openings, worth_of


def _page(openings, rows=None):
    page = Document("a report")
    add_openings(page, openings, rows)
    return page.to_html()


def test_openings_are_shown_with_date_reason_and_mark():
    vault = Vault([1, 2])
    vault.open("for the board")
    page = _page(vault.openings, 2)
    assert "for the board" in page
    assert str(vault.openings[0]["at"])[:16] in page
    assert "not a first look" not in page
    assert worth_of(vault.openings) == "rows never used before"
    vault.open("once more")
    assert worth_of(vault.openings) == "the vault was opened 2 times"
    vault.note_training()
    vault.open("a better one")
    assert "not a first look" in _page(vault.openings, 2)
    assert worth_of(vault.openings) == "opening 3 of the vault, after further training"


def test_a_sealed_vault_says_so_and_one_without_rows_nothing():
    assert "2 test rows was never opened" in _page([], 2)
    assert "vault" not in _page([], 0)


def test_records_of_model_files_before_the_mark_are_read():
    old = [{"reason": "old", "at": "2026-01-01T00:00:00+00:00", "count": 1, "rows": 3}]
    assert "2026-01-01T00:00:00" in _page(old)
