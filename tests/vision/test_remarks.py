import threading
import warnings

import pytest

from longspan.vision.remarks import counted_remarks, remark


def test_remarks_of_all_threads_become_one_warning_with_their_number():
    def read():
        remark("transparent parts", "They are white.")

    with warnings.catch_warnings(record=True) as given, counted_remarks("photo", 1200):
        warnings.simplefilter("always")
        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        remark("several frames", "One is used.")
    assert [str(each.message) for each in given] == [
        "Column 'photo': 1 of 1,200 images have several frames. One is used.",
        "Column 'photo': 3 of 1,200 images have transparent parts. They are white.",
    ]


def test_without_anybody_who_counts_a_remark_is_a_warning():
    with pytest.raises(ZeroDivisionError), counted_remarks("photo", 1):
        raise ZeroDivisionError
    with pytest.warns(UserWarning, match="^Some images have several frames. One is used.$"):
        remark("several frames", "One is used.")
