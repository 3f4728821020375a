"""Texts as inputs: tokens, what is cut off, changes by chance, copies across a split."""

import json

import numpy as np
import polars as pl
import pytest
import torch

import longspan as ls
from longspan.columns import Text, column_from_json
from longspan.columns.ragged import Ragged, pad
from longspan.errors import ConfigError, LeakError, UnknownNameError
from longspan.text import CharacterTokens, SubwordTokens, TextAugment, WordTokens

TEXTS = ["A good film .", "A bad film .", "a film"]


def test_an_input_is_read_by_words_unless_another_tokenizer_is_given():
    column = Text().as_input().fit(TEXTS)
    assert column.tokenizer == WordTokens().train(TEXTS)
    assert column.ragged
    assert column.encode("A film of old").tolist() == [4, 5, 1, 1]
    assert column.spec() == ls.TokensSpec(vocab_size=7, max_length=256, padding=0)
    assert Text(vocab="ab").as_input().tokenizer is None
    assert Text(tokenizer=CharacterTokens()).as_input().fit(TEXTS).encode("A?").tolist()[1] == 1
    assert column_from_json(json.loads(json.dumps(column.to_json()))) == column
    assert Text.from_words("subwords").tokenizer == SubwordTokens()
    with pytest.raises(UnknownNameError, match="words"):
        Text.from_words("wordz")


def test_longer_texts_are_cut_and_counted():
    column = Text(max_tokens=3, tokenizer=WordTokens(min_count=1)).as_input().fit(TEXTS)
    encoded = [column.encode(text) for text in TEXTS]
    assert [len(each) for each in encoded] == [3, 3, 2]
    assert column.cut_short(pl.Series(TEXTS), map(len, encoded)) == (2, 2)
    assert Text(max_tokens=None).as_input().fit(TEXTS).cut_short(pl.Series(TEXTS), [4, 4, 2]) == (0, 0)
    with pytest.raises(ConfigError, match="max_tokens must be"):
        Text(max_tokens=0)


def test_a_target_with_a_tokenizer_is_tokens_and_comes_back():
    column = Text(tokenizer=WordTokens(min_count=1)).fit(TEXTS)
    assert column.max_length == 16
    assert column.encode("a good film").tolist() == [4, 8, 5, *[-1] * 13]
    assert column.decode(torch.tensor(column.encode("a good film"))) == "a good film"
    assert column.check(" ".join(["a"] * 17)) == (
        f"{' '.join(['a'] * 17)!r} has 17 tokens, more than the 16 allowed; Text(max_length=17) allows them"
    )
    with pytest.raises(ConfigError, match="a tokenizer has a vocabulary of its own"):
        Text(tokenizer=WordTokens(), vocab="ab")
    with pytest.raises(ConfigError, match="must be a tokenizer"):
        Text(tokenizer="words")


def test_augmentation_changes_tokens_and_their_number():
    column = Text(tokenizer=WordTokens(min_count=1)).as_input().fit(TEXTS)
    batch = pad([torch.from_numpy(column.encode(text)) for text in TEXTS])
    assert column.prepare(batch) is batch
    params = column.draw_params(TextAugment(word_dropout=0.5), torch.arange(3), 0, 0)
    changed = column.prepare(batch, params)
    assert isinstance(changed, Ragged)
    assert changed.lengths.sum() < batch.lengths.sum()
    assert changed.lengths.min() >= 1


def test_tokens_are_shown_and_unknown_ones_struck_out():
    column = Text(max_tokens=3).as_input().fit(TEXTS)
    shown = column.show_html("a <b> film")
    assert ">a</span>" in shown
    assert "<s>&lt;</s>" in shown
    assert "#999" in shown
    assert Text().show_html("a <b>") == "a &lt;b&gt;"


def table_of(texts):
    return ls.Table.from_arrays(
        {"text": texts, "label": ["a", "b"] * (len(texts) // 2)}, {"text": Text(), "label": ls.Category()}
    )


SENTENCE = "the quick brown fox jumps over the lazy dog near the quiet old river bank"


@pytest.mark.parametrize(
    ("copy", "kind"),
    [
        (SENTENCE.upper() + "!", "identical"),
        (SENTENCE + " today", "near-identical"),
        (SENTENCE.replace("quick", "slow").replace("lazy", "busy").replace("quiet", "loud"), None),
        ("the quick brown fox", None),
    ],
)
def test_copies_across_a_split_are_found(copy, kind):
    texts = [f"review number {n} says {'very ' * n}good and {n * n} more of it" for n in range(10)]
    table = table_of([*texts, SENTENCE, copy])
    split = ls.Table(table.frame.with_columns(pl.Series("part", ["train"] * 11 + ["valid"])),
                     {**table.columns, "part": ls.Category()}).split(column="part")  # fmt: skip
    task = ls.Task(split, "text", "label", allow_leaks=True)
    task.prepare()
    assert [leak.kind for leak in task.leaks.pairs] == ([kind] if kind else [])
    if kind:
        assert (task.leaks.pairs[0].row, task.leaks.pairs[0].other_row) == (10, 11)
        with pytest.raises(LeakError, match="Samples on both sides"):
            ls.Task(split, "text", "label").prepare()


def test_a_task_says_how_much_is_not_read():
    texts = [f"{'word ' * (1 + n)}text {'a' * n}" for n in range(12)]
    table = table_of(texts).with_column("text", Text(max_tokens=4))
    task = ls.Task(table.split(valid=2, seed=0), "text", "label", allow_leaks=True)
    with pytest.warns(UserWarning, match="longer than") as said:
        task.prepare()
    words = [str(each.message) for each in said]
    assert len(words) == 2
    assert "of the 10 training rows are longer than the 4 tokens that the network reads" in words[0]
    assert "of the 2 validation rows are" in words[1]


def test_a_text_is_an_input_of_a_network_and_of_its_file(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice(["good", "bad"], 60).tolist()
    texts = [f"{rng.choice(['a', 'the'])} {label} film {rng.choice(['.', '!'])} {n}" for n, label in enumerate(labels)]
    table = ls.Table.from_arrays({"text": texts, "label": labels}, {"text": Text(), "label": ls.Category()})
    task = ls.Task(table.split(valid=20, seed=0), "text", "label")
    config = ls.TrainConfig(batch_size=16, precision="float32", augment=TextAugment(word_dropout=0.1))
    learner = ls.Learner(task, "encoders", config=config, progress=False, device="cpu").fit(8, lr=2e-2)
    assert learner.evaluate()["accuracy"] == 1
    again = ls.load(learner.save(tmp_path / "model.safetensors"))
    assert again.predict("what a good film")["label"] == "good"
    assert [each["label"] for each in again.predict(["bad !", "the good"])] == ["bad", "good"]
    with pytest.warns(UserWarning, match="1 of the 2 values are longer than the 256 tokens"):
        again.predict(["good " * 300, "bad"])
