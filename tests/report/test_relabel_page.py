import json
import re

import numpy as np

from longspan.data.corrections import COLUMNS
from longspan.report.relabel_page import RelabelRow, relabel_page

NASTY = '</script><b>"x", & \u2028'


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_rows_labels_and_columns_are_in_the_page_whatever_they_are_called():
    image = np.zeros((4, 4), np.uint8)
    row = RelabelRow(row=3, file=NASTY, target="k", given=NASTY, suggested="cat", note="half sure", image=image)
    page = relabel_page(NASTY, [row, RelabelRow(row=4, target="k", given='["a"]', suggested="[]")], [NASTY], COLUMNS)
    data = data_of(page)
    assert data["rows"][0]["file"] == data["rows"][0]["given"] == data["labels"][0] == NASTY
    assert data["rows"][0]["image"].startswith("data:image/png;base64,")
    assert [each["several"] for each in data["rows"]] == [False, True]
    assert data["columns"] == list(COLUMNS)
    assert page.count("</script>") == 2
    assert NASTY not in page


def test_the_page_can_neither_load_nor_send():
    page = relabel_page("k", [], ["a"], COLUMNS)
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = found[1]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert not re.search(r"https?://", page)
