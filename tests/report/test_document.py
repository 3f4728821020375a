"""A report is one file, complete and safe to open."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from longspan.errors import DataError
from longspan.report import CaptionedImage, Document, bars, confusion_matrix, loss_curves

EVIL = "<script>alert(\"1\")</script> & 'quote' $x$"
VOID = {"meta", "img", "br", "use", "path", "link"}


class Reader(HTMLParser):
    """Collects tags, ids, links and text, and notices tags closed in the wrong order."""

    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.addresses, self.words, self.open = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def full() -> str:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (300, 200, 3), dtype=np.uint8)
    page = Document(EVIL, subtitle=EVIL).headline(EVIL, 0.97, EVIL).section(EVIL).text(f"one {EVIL}\n\ntwo")
    page.figure(loss_curves(rng.random(50), [0.5, 0.4], steps_per_epoch=25, lr=rng.random(50)), caption=EVIL)
    page.figure(confusion_matrix(np.array([[5, 1], [0, 4]]), ["cat", EVIL]), label=EVIL)
    page.figure(bars({EVIL: 1.0, "b": 0.5}))
    page.section("ImageFiles").images(
        [CaptionedImage(photo, EVIL, "bad", EVIL), CaptionedImage(photo[:28, :28, 0], "3", "good")]
    )
    page.table([{EVIL: EVIL, "n": 1}, {"n": None}], caption=EVIL)
    return page.settings({EVIL: EVIL, "group": {EVIL: {"deep": 1}}}).environment().to_html()


def test_nothing_is_loaded_from_anywhere(full):
    reader = read(full)
    assert all(address.startswith(("#", "data:image/")) for address in reader.addresses)
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)
    assert "@import" not in full
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", full))
    assert "default-src 'none'" in full


def test_all_text_is_escaped_and_shown(full):
    assert "<script" not in full
    assert "".join(read(full).words).count("<script>alert") >= 12


def test_ids_are_unique_and_links_lead_somewhere(full):
    reader = read(full)
    assert len(reader.ids) == len(set(reader.ids))
    targets = [address[1:] for address in reader.addresses if address.startswith("#")]
    targets += [each[1:] for each in re.findall(r"url\(([^)]*)\)", full)]
    assert targets
    assert set(targets) <= set(reader.ids)
    assert reader.tags.count("svg") == 3


def test_tables_align_numbers_and_keep_their_columns():
    page = Document("t").table([{"name": "a", "loss": 0.5, "share": "3.5%"}, {"name": "b", "loss": 0.1234, "n": 12345}])
    html = page.to_html()
    assert "<th>name</th>" in html
    for name in ("loss", "share", "n"):
        assert f'<th class="number">{name}</th>' in html
    assert '<td>a</td><td class="number">0.5000</td><td class="number">3.5%</td><td class="number"></td>' in html
    assert '<td class="number">12,345</td>' in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.97321, "0.9732"), (7, "7"), (723522, "723,522"), (True, "yes"), (float("nan"), "nan"), ((1, 2), "1, 2")],
)
def test_values_are_shown_as_people_write_them(value, shown):
    assert f'<dd class="figure-of">{shown}</dd>' in Document("t").headline("n", value).to_html()


def test_narrow_figures_stand_side_by_side():
    small = confusion_matrix(np.eye(2, dtype=int), ["a", "b"])
    html = Document("t").figure(small).figure(small).to_html()
    assert html.count('<div class="halves">') == 1
    assert read(html).tags.count("figure") == 2


def test_settings_are_flat_within_groups():
    html = Document("t").settings({"model": {"name": "lenet", "inner": {"pool": None}}, "lr": 0.001}).to_html()
    assert "<h3>model</h3>" in html
    assert "<dt>inner.pool</dt><dd>none</dd>" in html
    assert html.index("<dt>lr</dt>") < html.index("<h3>model</h3>")


def test_the_same_report_is_the_same_file(tmp_path):
    def made():
        figure = loss_curves([1.0, 0.5], [0.7], steps_per_epoch=2)
        return Document("t", created=datetime(2026, 1, 2, tzinfo=UTC)).section("a").figure(figure).to_html()

    assert made() == made()
    assert "2 January 2026, 00:00 UTC" in made()


def test_saving_replaces_the_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "new" / "report.html"
    assert Document("first").save(path) == path
    assert "first" in path.read_text(encoding="utf-8")

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(DataError, match=r"report\.html: .*No space left"):
        Document("second").save(path)
    assert "first" in path.read_text(encoding="utf-8")
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        Document("t").save(tmp_path / "x" / "report.html")


def test_colours_in_images_are_explained():
    image = CaptionedImage(np.zeros((4, 4, 3), np.uint8))
    page = Document("t").images([image], legend=[("a <road>", (1, 2, 3)), (7, (4, 5, 6))]).to_html()
    assert '<i style="background: rgb(1, 2, 3)"></i>a &lt;road&gt;</li>' in page
    assert '<i style="background: rgb(4, 5, 6)"></i>7</li>' in page
    assert '<ul class="legend">' not in Document("t").images([image]).to_html()


def test_a_figure_may_be_drawn_for_phones_too():
    from longspan.report.canvas import new_axes

    wide, narrow = new_axes(width_px=760)[0], new_axes(width_px=400)[0]
    page = Document("x").figure(wide, narrow=narrow).to_html()
    assert page.count("<svg") == 2
    assert page.index('<div class="wide">') < page.index('<div class="narrow">')
    screen = page.index("@media screen and (max-width: 560px)")  # on paper the wide one stays
    assert ".plot .wide { display: none; }" in page[screen : page.index("@media print")]
    assert 'class="scroll"' in Document("x").figure(new_axes(width_px=760)[0]).to_html()


def test_lists_of_settings_are_numbered():
    stages = [{"name": "find", "each": None, "what": {"function": "f"}}, {"name": "join", "each": None}]
    page = Document("x").settings({"pipeline": {"stages": stages}}).to_html()
    for pair in (("stages 1.name", "find"), ("stages 1.what.function", "f"), ("stages 2.name", "join")):
        assert f"<dt>{pair[0]}</dt><dd>{pair[1]}</dd>" in page
    assert "each" not in page
    assert "{" not in page[page.index("<section") :]


def test_no_line_of_a_sentence_begins_with_a_percent_sign():
    page = Document("t").headline("a", 1, "5 % of 10 %").text("error 10.7 % or 3 %, not a % sign").to_html()
    assert "5\u00a0% of 10\u00a0%" in page
    assert "error 10.7\u00a0% or 3\u00a0%, not a % sign" in page
