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
    "Ignored",
    "ImageColumn",
    "Leaks",
    "MaskName",
    "Model",
    "OnError",
    "Opt",
    "Pattern",
    "Quiet",
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
    str | None, typer.Argument(metavar="SOURCE", help="Folder, .csv or .parquet file, or name of a data set.")
]
EvaluatedRows = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Folder, .csv or .parquet file, or name of a data set.")
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
    str | None, Opt(metavar="COLUMN", help="For a table: the column with the images' files, seen from its folder.")
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
Suffix = Annotated[
    str | None,
    Opt(
        metavar="ENDING",
        help="For a table of ids: what makes them file names, such as .png.  [default: nothing, or the ending of the "
        "files of these names]",
    ),
]
Targets = Annotated[
    list[str] | None,
    Opt(
        metavar="COLUMN[:TYPE]",
        help="What to predict; repeat it for several. Needed where there is a choice. A type behind a colon replaces "
        "the one that the values suggest: digit:category, age:number, tags:multi_label:';'.",
    ),
]
Columns = Annotated[
    list[str] | None,
    Opt(
        metavar="NAME=TYPE",
        help="Type of a column where its values mislead: category, number[:unit], multi_label[:separator], text, "
        "image, mask (files), boxes or instances (JSON). Repeatable.",
    ),
]
OnError = Annotated[
    str, Opt(metavar="raise|skip", help="Bad files and rows: refuse them, all by name, or leave them out.")
]

# --- what is in the images -----------------------------------------------------------------------------------------

Format = Annotated[
    str | None,
    Opt(
        metavar="coco|voc|yolo|masks|instance-masks|wider",
        help="SOURCE is a folder of images, and what is in them stands in files of this format. They become the "
        "columns boxes, instances or mask.",
    ),
]
Annotations = Annotated[
    str | None,
    Opt(
        metavar="PATH",
        help="For --format: the JSON file (coco), the text file (wider), or the folder of XML files (voc), text files "
        "(yolo) or PNG files (masks, instance-masks).",
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
        help="For masks and instance-masks: a class, or a number in the files, that neither teaches nor counts. "
        "Repeatable.  [default for masks: 255]",
    ),
]
Corners = Annotated[
    str | None,
    Opt(
        metavar="edges|pixels",
        help="What the numbers of a box in a table or in Pascal VOC's files are: its edges, or its first and last "
        "pixel counted from 1.  [default: edges in tables, pixels in Pascal VOC's files]",
    ),
]
Size = Annotated[
    str | None,
    Opt(
        metavar="PIXELS|HxW",
        help="Side that images get, or height and width such as 180x240.  [default: 224; up to 64 pixels, that of "
        "the images]",
    ),
]
Resize = Annotated[
    str | None,
    Opt(
        metavar="crop|stretch|pad",
        help="How images of another shape get that size: cropped, stretched or padded with black.  [default: pad where "
        "masks, boxes or instances are predicted, else crop]",
    ),
]

# --- which rows are for what -----------------------------------------------------------------------------------------

ValidRows = Annotated[
    float,
    Opt(metavar="ROWS", help="Rows that validate, on which models are measured: a fraction below 1, or a number."),
]
TestRows = Annotated[
    float, Opt(metavar="ROWS", help="Rows that are sealed in the vault: a fraction or a number; none unless given.")
]
SplitBy = Annotated[
    str | None,
    Opt(
        metavar="HOW:COLUMN",
        help="time:COLUMN (the last rows validate), group:COLUMN (a group is never parted), "
        "time:COLUMN,group:COLUMN (later rows of other groups), or column:COLUMN (it says train, valid or test). "
        "Default: at random, in equal fractions of every class.",
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
        help="Names persons, patients, scenes: none may stand in two parts, however the split is made.",
    ),
]
Time = Annotated[
    str | None,
    Opt(
        metavar="COLUMN", help="The parts must lie in this order: what trains before what validates before what tests."
    ),
]
Leaks = Annotated[
    str | None,
    Opt(
        metavar="refuse|move|allow",
        help="Samples that stand on both sides of the split, nearly alike: refuse them, all by name; let the "
        "held-out copies train and measure on the rest; or train all the same, which the file then says.  "
        "[default: move where the split is drawn at random, else refuse]",
    ),
]

# --- how networks are trained and used -------------------------------------------------------------------------------

FreezeEpochs = Annotated[
    int | None,
    Opt(
        metavar="N",
        help="For fine-tuning from weights: passes for the new layers alone, before the others.  [default: 5; 1 for "
        "masks, boxes and instances]",
    ),
]
BatchSize = Annotated[
    int | None, Opt(metavar="N", help="Rows in a step.  [default: 64; 8 for masks, boxes and instances]")
]
Augmented = Annotated[
    str,
    Opt(
        metavar="none|photos|digits|speech|sounds|words",
        help="Change training images or recordings a little in every epoch.",
    ),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="File that `longspan train` or `save` wrote.")]
Views = Annotated[int, Opt(metavar="N", help="Average over N augmented views; for models trained with augmentation.")]
Device = Annotated[str, Opt(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps.")]
Force = Annotated[bool, Opt("--force", help="Replace existing files.")]
Quiet = Annotated[bool, Opt("--quiet", "-q", help="Print nothing but errors.")]
