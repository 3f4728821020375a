import numpy as np
import pytest

from longspan.study.runs.packed_rows import pack_rows, unpack_rows


@pytest.mark.parametrize("count", [1, 7, 8, 9, 412])
def test_right_and_wrong_come_back_in_a_bit_each(count):
    rng = np.random.default_rng(count)
    errors = (rng.random(count) < 0.1).astype(float)
    errors[rng.random(count) < 0.05] = np.nan
    packed = pack_rows(errors)
    np.testing.assert_array_equal(unpack_rows(packed, count), errors)
    assert len(packed) < count / 4 + 20


def test_other_errors_come_back_as_four_byte_floats():
    errors = np.array([0.0, 1.5, np.nan, 1e-7, 300.25])
    np.testing.assert_array_equal(unpack_rows(pack_rows(errors), 5), errors.astype(np.float32).astype(float))


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "unknown kind"),
        (b"x123", "unknown kind"),
        (b"bnonsense", "decompressed"),
        (pack_rows(np.ones(9)), "than 40"),
    ],
)
def test_other_bytes_are_refused(packed, words):
    with pytest.raises(ValueError, match=words):
        unpack_rows(packed, 40)


def test_a_small_file_cannot_ask_for_much_memory():
    with pytest.raises(ValueError, match="another number of rows than 8"):
        unpack_rows(pack_rows(np.full(10_000_000, 0.5)), 8)
