import pytest

from longspan.data.annotations.xml_tree import parse_xml

BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]>
<a>&y;</a>
"""
THIEF = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<a>&x;</a>'


def written(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_elements_know_text_and_line(tmp_path):
    top = parse_xml(written(tmp_path, "<a>\n <b>1 &lt; 2</b>\n <b> <c>x</c> </b>\n</a>"))
    assert (top.name, top.line) == ("a", 1)
    assert [(b.text.strip(), b.line) for b in top.all("b")] == [("1 < 2", 2), ("", 3)]
    assert top.said("b") == "1 < 2"
    assert top.said("nothing") == ""
    assert top.first("nothing") is None


@pytest.mark.parametrize("text", [BOMB, THIEF, '<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a/>'])
def test_document_types_are_refused_before_anything_is_declared(tmp_path, text):
    with pytest.raises(ValueError, match=r"line [12]: it declares a document type"):
        parse_xml(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<a>\n<b>\n</a>", "line 3: this is not XML .mismatched tag"),
        ("<a>", "line 1: this is not XML .no element found"),
        ("plain", "line 1: this is not XML"),
        ("<a>&x;</a>", "line 1: this is not XML .undefined entity"),
        ("", "the file is empty"),
        (b"<a>\n\xff</a>", "line 2: this is not XML"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "line 1: "),
        ("<a>" * 100, "nested more than 32 deep"),
    ],
)
def test_what_is_no_xml(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        parse_xml(written(tmp_path, text))


def test_other_encodings_are_read(tmp_path):
    text = '<?xml version="1.0" encoding="latin-1"?><a>M\xfcsli</a>'
    assert parse_xml(written(tmp_path, text.encode("latin-1"))).text == "Müsli"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        parse_xml(tmp_path / "gone.xml")
