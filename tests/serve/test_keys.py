import pytest

from longspan.errors import ConfigError
from longspan.serve.keys import is_known, read_keys


def test_keys_of_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# ours\n\n0123456789abcdef\n  fedcba9876543210  \n")
    keys = read_keys(path)
    assert keys == (b"0123456789abcdef", b"fedcba9876543210")
    assert is_known(b"fedcba9876543210", keys)
    assert not is_known(b"fedcba987654321", keys)
    assert not is_known(b"", keys)


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("# none\n", "no key"), ("short", "16 char")])
def test_files_without_usable_keys(tmp_path, content, words):
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        read_keys(path)
