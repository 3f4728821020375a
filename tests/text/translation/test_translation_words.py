from longspan.text.translation import join_translation, translation_words


def test_words_and_sentences_belong_together():
    text = "L'homme, qui n'a pas de t-shirt, paie 2,5 euros (ou 3) aujourd'hui !"
    assert translation_words(text)[:5] == ["l'", "homme", ",", "qui", "n'"]
    assert "t-shirt" in translation_words(text)
    assert join_translation(translation_words(text)) == text.replace(" !", "!")
    assert join_translation([]) == ""
    assert translation_words(" \n") == []


def test_letters_with_accents_are_one_whatever_their_form():
    assert translation_words("E\N{COMBINING ACUTE ACCENT}te\N{COMBINING ACUTE ACCENT}") == ["été"]
