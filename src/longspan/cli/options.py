"""Options that several commands have, each declared once: its type, its placeholder, its help."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Annotations",
    "Augmented",
    "BatchSize",
    "Classes",
    "Columns",
    "Corners",
    "Device",
    "EvaluatedRows",
    "Force",
    "Format",
    "FreezeEpochs",
    "Gap",
    "Group",
    "Heading",
    "Ignored",
    "ImageColumn",
    "Leaks",
    "MaskName",
    "Model",
    "OnError",
    "Opt",
    "Pattern",
    "Quiet",
    "Reads",
    "Resize",
    "Root",
    "Size",
    "Source",
    "SplitBy",
    "Suffix",
    "Targets",
    "TestRows",
    "Time",
    "Transcripts",
    "ValidRows",
    "Views",
]

Opt = typer.Option

# --- what is learned from what ----------------------------------------------------------------------------------------

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        help="A folder; a .csv, .tsv, .jsonl, .parquet, .yaml (YOLO) or .json (COCO) file; or a data set's name.",
    ),
]
EvaluatedRows = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder; a .csv, .tsv, .jsonl, .parquet, .yaml (YOLO) or .json (COCO) file; or a data set's name.",
    ),
]
Pattern = Annotated[
    str | None,
    Opt(
        metavar="REGEX",
        help="For a folder: what the files are called, as a regular expression for the whole path below it; named "
        r"groups become columns: '(?P<breed>.+)_\d+\.jpg', '(?P<digit>\d)/.*\.png'.",
    ),
]
ImageColumn = Annotated[
    str | None,
    Opt(metavar="COLUMN", help="For a table: the column with the paths of the images, relative to its folder."),
]
Heading = Annotated[
    str | None,
    Opt(
        metavar="yes|no|NAME,NAME",
        help="For a .csv or .tsv file: whether its first line names the columns. If not, they are called column_0, "
        "column_1 and so on, or get the names written here.  [default: yes, but a first line that looks like a row is "
        "refused]",
    ),
]
Encoding = Annotated[
    str | None,
    Opt(
        metavar="NAME",
        help="For .csv and .tsv files and for texts: how their characters are written, such as cp1252 or utf-16.  "
        "[default: utf-8]",
    ),
]
Holidays = Annotated[
    str | None,
    Opt(
        metavar="COUNTRY",
        help="For a table with dates: read whether each is a public holiday there, and which: DE, US, or a part of a "
        "country, DE-BY.",
    ),
]
Root = Annotated[
    str | None,
    Opt(
        metavar="FOLDER",
        help="For a table: the folder that its paths start from.  [default: that of the file, or the folder below it "
        "that holds the images]",
    ),
]
Transcripts = Annotated[
    str | None,
    Opt(
        metavar="FILE|FOLDER",
        help="Texts of the recordings in SOURCE: a folder of Kaldi or LibriSpeech, Common Voice's .tsv, LJSpeech's "
        "metadata.csv, or a file with a recording, a tab and its text on each line.",
    ),
]
Reads = Annotated[
    str | None,
    Opt(
        "--source",
        metavar="NAME",
        help="Translation: the column, or the ending of the file, that is read; --target names what is written. "
        "SOURCE is one of several files whose lines belong together (train.en beside train.fr), or what stands before "
        "the endings.",
    ),
]
Suffix = Annotated[
    str | None,
    Opt(
        metavar="ENDING",
        help="For a table of ids: the ending that makes them file names, such as .png.  [default: nothing, or the "
        "ending of the files of these names]",
    ),
]
Targets = Annotated[
    list[str] | None,
    Opt(
        metavar="COLUMN[:TYPE]",
        help="What to predict; repeat it for several targets. Required where there is a choice. A type after a colon "
        "overrides the one inferred from the values: digit:category, age:number, tags:multi_label:';'.",
    ),
]
Columns = Annotated[
    list[str] | None,
    Opt(
        metavar="NAME=TYPE",
        help="Type of a column, where inferring it from the values goes wrong: category, number[:unit], "
        "multi_label[:separator], text, image, mask (files), boxes, instances or keypoints (JSON). Repeatable.",
    ),
]
OnError = Annotated[
    str, Opt(metavar="raise|skip", help="Unusable files and rows: stop and name them all, or leave them out.")
]

# --- what is in the images -----------------------------------------------------------------------------------------

Format = Annotated[
    str | None,
    Opt(
        metavar="coco|coco-keypoints|voc|yolo|masks|instance-masks|wider",
        help="SOURCE is a folder of images with annotation files of this format. They become the column boxes, "
        "instances, points or mask.",
    ),
]
Annotations = Annotated[
    str | None,
    Opt(
        metavar="PATH",
        help="For --format: the JSON file (coco, coco-keypoints), the text file (wider), or the folder of XML files "
        "(voc), text files (yolo) or PNG files (masks, instance-masks).",
    ),
]
Classes = Annotated[
    str | None,
    Opt(
        metavar="FILE",
        help="For yolo and masks: the names of the classes in the order of their numbers, one a line, for masks with "
        "or without red, green and blue; or YOLO's YAML.",
    ),
]
MaskName = Annotated[
    str | None,
    Opt(
        metavar="NAME",
        help="For masks and instance-masks: a mask's path in its folder, made of {stem}, the image's path without "
        "its ending, or of groups of --pattern.  [default: {stem}.png]",
    ),
]
Ignored = Annotated[
    list[str] | None,
    Opt(
        metavar="CLASS",
        help="For masks and instance-masks: a class, or a pixel value, to ignore in training and metrics. "
        "Repeatable.  [default for masks: 255]",
    ),
]
Corners = Annotated[
    str | None,
    Opt(
        metavar="edges|pixels|xywh|cxcywh",
        help="What the four numbers of a box in a table or in Pascal VOC's files are: its edges; its first and last "
        "pixel counted from 1; upper left corner, width and height; or centre, width and height.  [default: in tables "
        "as the columns are named, in Pascal VOC's files pixels]",
    ),
]
Size = Annotated[
    str | None,
    Opt(
        metavar="PIXELS|HxW",
        help="Image size: the side of a square, or height and width such as 180x240.  [default: 224; up to 64 pixels, "
        "that of the images]",
    ),
]
Resize = Annotated[
    str | None,
    Opt(
        metavar="crop|stretch|pad",
        help="How to fit images of another shape: crop, stretch, or pad with black.  [default: pad where "
        "masks, boxes or instances are predicted, else crop]",
    ),
]

# --- which rows are for what -----------------------------------------------------------------------------------------

ValidRows = Annotated[
    float,
    Opt(metavar="ROWS", help="Validation rows: a fraction below 1, or a number of rows."),
]
TestRows = Annotated[
    float, Opt(metavar="ROWS", help="Test rows, sealed in the vault: a fraction below 1, or a number of rows.")
]
SplitBy = Annotated[
    str | None,
    Opt(
        metavar="HOW:COLUMN",
        help="time:COLUMN (the latest rows validate), group:COLUMN (groups stay whole), "
        "time:COLUMN,group:COLUMN (later rows of other groups), or column:COLUMN (it says train, valid or test). "
        "Default: at random, stratified by class.",
    ),
]
Gap = Annotated[
    str | None,
    Opt(
        metavar="LENGTH",
        help="With --split-by time:COLUMN: leave out rows less than this before the held-out ones: 7d, 36h, 30m, or a "
        "number in the column's unit.",
    ),
]
Group = Annotated[
    str | None,
    Opt(
        metavar="COLUMN",
        help="A column of persons, patients or scenes. A split that puts one of them in two parts is refused.",
    ),
]
Time = Annotated[
    str | None,
    Opt(
        metavar="COLUMN",
        help="A column of times. A split whose training rows are not earlier than the held-out rows is refused.",
    ),
]
Leaks = Annotated[
    str | None,
    Opt(
        metavar="refuse|move|allow",
        help="Near-identical samples on both sides of the split: refuse and name them; move the held-out copies to the "
        "training rows; or allow them, which the model file records.  [default: move for random splits, else "
        "refuse]",
    ),
]

# --- how networks are trained and used -------------------------------------------------------------------------------

FreezeEpochs = Annotated[
    int | None,
    Opt(
        metavar="N",
        help="Fine-tuning: epochs that train only the new layers first.  [default: 5; 1 for "
        "masks, boxes and instances]",
    ),
]
BatchSize = Annotated[int | None, Opt(metavar="N", help="Batch size.  [default: 64; 8 for masks, boxes and instances]")]
Augmented = Annotated[
    str,
    Opt(
        metavar="none|photos|digits|speech|sounds|words",
        help="Augmentation of training images, recordings or texts.",
    ),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="File that `longspan train` or `save` wrote.")]
Views = Annotated[int, Opt(metavar="N", help="Average over N augmented views; for models trained with augmentation.")]
Device = Annotated[str, Opt(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")]
Force = Annotated[bool, Opt("--force", help="Replace existing files.")]
Quiet = Annotated[bool, Opt("--quiet", "-q", help="Print nothing but errors.")]
