"""`longspan compress`: smaller and quicker variants of a saved model, measured beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_files, check_model
from longspan.cli.formats import annotation_format
from longspan.cli.known_names import names_are_known
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, print_table, writing
from longspan.cli.sources import check_source
from longspan.cli.train_options import AUGMENTS
from longspan.errors import ConfigError, unknown_name
from longspan.extras import require_extra
from longspan.valid_values import stored_networks

__all__ = ["compress"]

_STEPS = ("student", "prune30", "prune50", "prune70", "bfloat16", "onnx", "int8")


def compress(
    model: flags.Model,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The rows that the model was trained on, as longspan train takes them: training rows calibrate and "
            "train, validation rows and rows that the model does not know measure.",
        ),
    ],
    out: Annotated[str, Opt(metavar="FOLDER", help="Where variants, report and frontier.json go.")],
    variant: Annotated[
        list[str] | None,
        Opt(
            metavar="STEP[+STEP]",
            help="bfloat16, onnx, int8, prune30, prune50, prune70 (by the percentage of multiply-adds that goes), "
            "student, or a combination such as prune50+int8. Repeatable.  [default: all that the model allows]",
        ),
    ] = None,
    student: Annotated[
        str | None,
        Opt(metavar="NETWORK", help="Of the variant student: a smaller network that learns from MODEL."),
    ] = None,
    max_drop: Annotated[
        float, Opt(metavar="LOSS", help="Of the main metric, that a recommended variant may lose.")
    ] = 0.005,
    calibration: Annotated[
        str | None,
        Opt(
            metavar="SOURCE",
            help="Training rows, for a model file that does not say which rows trained it; all of the first SOURCE "
            "then measures.",
        ),
    ] = None,
    epochs: Annotated[int, Opt(metavar="N", help="Of fine-tuning after pruning.")] = 10,
    lr: Annotated[float, Opt(metavar="RATE", help="Peak learning rate of fine-tuning.")] = 1e-3,
    student_epochs: Annotated[int, Opt(metavar="N", help="Of teaching the student.")] = 20,
    student_lr: Annotated[float, Opt(metavar="RATE", help="Peak learning rate of teaching.")] = 3e-3,
    batch_size: Annotated[int, Opt(metavar="N", help="Rows per step of fine-tuning and teaching.")] = 32,
    augment: Annotated[
        str | None,
        Opt(
            metavar="|".join(AUGMENTS),
            help="Augmentation of rows that fine-tune and teach; what MODEL says of augmented rows teaches too.  "
            "[default: as in training]",
        ),
    ] = None,
    threads: Annotated[
        list[int] | None, Opt(metavar="N", help="Threads to measure with. Repeatable.  [default: 1 and 2]")
    ] = None,
    runs: Annotated[int, Opt(metavar="N", help="Predictions of one row that are timed, for each number.")] = 60,
    seed: Annotated[int, Opt(metavar="N", help="Of fine-tuning and teaching.")] = 0,
    pattern: flags.Pattern = None,
    image: Annotated[
        str | None,
        Opt(metavar="COLUMN", help="For a table: the column with the images' files.  [default: as in training]"),
    ] = None,
    root: flags.Root = None,
    suffix: flags.Suffix = None,
    heading: flags.Heading = None,
    encoding: flags.Encoding = None,
    format: flags.Format = None,
    annotations: flags.Annotations = None,
    classes: flags.Classes = None,
    mask_name: flags.MaskName = None,
    ignored: flags.Ignored = None,
    as_json: Annotated[bool, Opt("--json", help="Print the frontier as a JSON object.")] = False,
    quiet: flags.Quiet = False,
    force: flags.Force = False,
) -> None:
    """Make a model smaller and quicker in several ways, and measure what each costs and loses.

    Accuracy with its interval, latency, size and memory of every variant stand beside those of the original, on the
    same held-out rows. One is recommended only if it is quicker on this machine and loses at most --max-drop. Variants
    are model files and ONNX files that longspan predict and longspan serve take.
    """
    _check_names(variant or (), student)
    if augment is not None and augment not in AUGMENTS:
        raise unknown_name("--augment called", augment, AUGMENTS)
    annotated = annotation_format(format, annotations, classes, mask_name, tuple(ignored or ()))
    check_model(model)
    check_source(source)
    if calibration is not None:
        check_source(calibration)
    check_files(root=root, annotations=annotations, classes=classes)
    if variant is None or any("prune" in each for each in variant):
        require_extra("compress", "longspan compress")

    from longspan.cli.sources import rows_for
    from longspan.cli.tasks import augmentation
    from longspan.deploy import compress as make_variants
    from longspan.systems.function_registry import load_with_functions

    def tell(line: str) -> None:
        if not quiet and not as_json:
            print(line, flush=True)

    with interruptible(lambda: "Nothing was written."):
        predictor = load_with_functions(model, device="cpu").single_network("be compressed")
        read: dict[str, Any] = {
            "pattern": pattern, "image": image, "root": root, "suffix": suffix, "annotated": annotated,
            "heading": heading, "encoding": encoding,
        }  # fmt: skip
        table = rows_for(predictor, source, **read)
        with writing(Path(out), "--out"):
            frontier = make_variants(
                predictor, table, out=out, variants=variant, student=student, max_drop=max_drop,
                calibration=None if calibration is None else rows_for(predictor, calibration, **read), epochs=epochs,
                lr=lr, student_epochs=student_epochs, student_lr=student_lr, batch_size=batch_size, threads=threads,
                augment=None if augment is None else augmentation(augment), runs=runs, seed=seed, force=force,
                tell=tell,
            )  # fmt: skip
    if as_json:
        print(json.dumps(json.loads((frontier.folder / "frontier.json").read_text(encoding="utf-8")), indent=2))
        return
    if quiet:
        return
    from longspan.deploy.compress_page import frontier_rows

    rows = [{key: str(value) for key, value in row.items()} for row in frontier_rows(frontier)]
    print()
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    print()
    print(label("verdict", frontier.recommendation()))
    best = frontier.recommended
    if best is not None:
        print(label("use", f"longspan predict {frontier.folder / best.file} ..."))
    print(label("report", f"{frontier.folder / 'report.html'}"))


def _check_names(variants: Sequence[str], student: str | None) -> None:
    """Refuse names that do not exist before PyTorch is imported."""
    for variant in variants:
        for step in variant.split("+"):
            if step not in _STEPS:
                raise unknown_name("--variant called", step, _STEPS)
    taught = [variant for variant in variants if "student" in variant.split("+")]
    if taught and student is None:
        raise ConfigError(f"--variant {taught[0]} needs --student NETWORK, such as --student mobilenet_v2.")
    if student is not None and names_are_known() and ":" not in student:
        known = [info["name"] for info in stored_networks()]
        if student not in known:
            raise unknown_name("--student called", student, known)
