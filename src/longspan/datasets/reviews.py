"""Short texts with a sentiment: movie review sentences, IMDB reviews, and the Stanford Sentiment Treebank."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from longspan.columns import Category, Text
from longspan.data.table import Table
from longspan.datasets.named import NamedData, RemoteFile, Source

__all__ = ["IMDB_SAMPLE", "RT_POLARITY", "SST2"]

_SENTIMENT = ("negative", "positive")
_TYPES = {"text": Text(), "label": Category(), "part": Category()}


def _load_imdb(root: Path) -> Table:
    """Columns `text`, `label` ("negative" or "positive") and `part`: "train" for 800 rows, "valid" for 200."""
    frame = pl.read_csv(root / "imdb_sample" / "texts.csv", infer_schema=False)
    part = pl.when(pl.col("is_valid").str.to_lowercase() == "true").then(pl.lit("valid")).otherwise(pl.lit("train"))
    return Table.from_frame(frame.select("text", "label", part=part), _TYPES)


def _load_polarity(root: Path) -> Table:
    """Columns `text` and `label`, first all positive sentences, as published; there is no official split.

    The files are in Latin-1, not UTF-8.
    """
    texts: list[str] = []
    labels: list[str] = []
    for ending, label in (("pos", "positive"), ("neg", "negative")):
        content = (root / "rt-polaritydata" / f"rt-polarity.{ending}").read_text("latin-1")
        own = [line.strip() for line in content.split("\n") if line.strip()]
        texts += own
        labels += [label] * len(own)
    return Table.from_frame(pl.DataFrame({"text": texts, "label": labels}), {"text": Text(), "label": Category()})


def _load_glue(root: Path) -> Table:
    """Columns `text`, `label` and `part`: "train" (phrases) or "valid"; the labels of the test part are not public."""
    return _tsv(root / "SST-2", (("train", "train"), ("dev", "valid")))


def _load_sst2_copy(root: Path) -> Table:
    """The same columns, and the labelled sentences of the test part."""
    return _tsv(root / "sst2", (("train", "train"), ("dev", "valid"), ("test", "test")))


def _tsv(folder: Path, files: tuple[tuple[str, str], ...]) -> Table:
    frames = []
    for name, part in files:
        # Quotation marks are part of the texts.
        frame = pl.read_csv(folder / f"{name}.tsv", separator="\t", quote_char=None, infer_schema=False)
        label = pl.col("label").replace_strict(dict(zip("01", _SENTIMENT, strict=True)))
        frames.append(frame.select(pl.col("sentence").str.strip_chars().alias("text"), label, part=pl.lit(part)))
    return Table.from_frame(pl.concat(frames), _TYPES)


IMDB_SAMPLE = NamedData(
    name="imdb-sample",
    title="IMDB movie reviews, fastai's 1,000",
    rows=1000,
    task="text -> label",
    licence="research use (Maas et al. 2011)",
    home="https://ai.stanford.edu/~amaas/data/sentiment/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="imdb_sample.fastai.tgz",
                    size=571_827,
                    md5="0842e61a9867caa2e6fbdb14fa703d61",
                    urls=("https://s3.amazonaws.com/fast-ai-sample/imdb_sample.tgz",),
                    stated_by="fastai (address, size, MD5)",
                ),
            ),
            load=_load_imdb,
            layout=(("imdb_sample/texts.csv", 1),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="imdb_sample.tgz",
                    size=570_292,
                    sha256="9e3db1dc63afa0d1b3258681cf28370cde37c536775043ab085c1bbb1fcab562",
                ),
            ),
            load=_load_imdb,
        ),
    ),
)

RT_POLARITY = NamedData(
    name="rt-polarity",
    title="Sentences of movie reviews, 5,331 of each sentiment",
    rows=10_662,
    task="text -> label",
    licence="research use (Pang, Lee 2005)",
    home="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="rt-polaritydata.public.tar.gz",
                    size=487_770,
                    sha256="a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9",
                    urls=(
                        "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",
                        "https://storage.googleapis.com/seldon-datasets/sentence_polarity_v1/rt-polaritydata.tar.gz",
                    ),
                    stated_by="Hugging Face datasets (second address, size, SHA-256); the data set's page (first)",
                ),
            ),
            load=_load_polarity,
            layout=(("rt-polaritydata/rt-polarity.*", 2),),
        ),
        Source(
            files=(
                RemoteFile(
                    path="rt-polaritydata.tar.gz",
                    size=484_636,
                    sha256="a49514767acf534bb0f82260790a4b31572171617662f78c7a02b67b9b096bcb",
                ),
            ),
            load=_load_polarity,
        ),
    ),
    note="Customary: ten-fold cross-validation.",
)

SST2 = NamedData(
    name="sst2",
    title="Stanford Sentiment Treebank, two classes (GLUE)",
    rows=68_221,
    task="text -> label",
    licence="research use (Socher et al. 2013)",
    home="https://nlp.stanford.edu/sentiment/",
    sources=(
        Source(
            files=(
                RemoteFile(
                    path="SST-2.zip",
                    size=7_439_277,
                    sha256="d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
                    md5="9f81648d4199384278b86e315dac217c",
                    urls=("https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",),
                    stated_by="torchtext (address, MD5), TensorFlow Datasets (size, SHA-256)",
                ),
            ),
            load=_load_glue,
            layout=(("SST-2/train.tsv", 1), ("SST-2/dev.tsv", 1)),
        ),
        Source(
            files=(
                RemoteFile(
                    path="sst2.tar.gz",
                    size=1_551_672,
                    sha256="b01dbed091a2a9cde2af30189540f587522561c4b0d306d42815f7dea2b00d77",
                ),
            ),
            load=_load_sst2_copy,
            differs="It also has the 1,821 test sentences with their labels.",
        ),
    ),
    note="67,349 phrases to train on, 872 sentences for validation. Shares sentences with rt-polarity: do not "
    "mix the two.",
)
