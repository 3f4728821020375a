"""`longspan generate`: images that a trained network makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longspan.cli import options as flags
from longspan.cli.first_checks import check_files, check_model
from longspan.cli.options import Opt
from longspan.cli.shell import interruptible, label, new_files
from longspan.cli.sources import check_source
from longspan.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from longspan.generative import ImageGenerator

__all__ = ["generate"]

_GRID, _STRIP = "grid.png", "interpolation.png"
_ROWS = 4


def generate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A file that `longspan train --task generate` or a system wrote.")
    ],
    n: Annotated[int, Opt("--n", metavar="N", help="How many images.")] = 64,
    out: Annotated[str, Opt(metavar="DIR", help="Folder for the images.")] = "generated",
    seed: Annotated[int, Opt(metavar="N", help="Random seed: the same one gives the same images.")] = 0,
    truncation: Annotated[
        float, Opt(metavar="X", help="Scale of the latent vectors: below 1 images are more typical and less varied.")
    ] = 1.0,
    compare: Annotated[
        str | None,
        Opt(
            metavar="SOURCE",
            help="The images that it learned from: measures precision, recall, kernel distance and copies. Half of "
            "them, at random, stand for further images.",
            show_default=False,
        ),
    ] = None,
    features: Annotated[
        str | None,
        Opt(metavar="MODEL", help="With --compare: the classifier whose features are compared.", show_default=False),
    ] = None,
    force: flags.Force = False,
) -> None:
    """Make images with a trained network.

    Writes each as a PNG file, all of them as grid.png, and interpolation.png: rows of images on the way from one to
    another.
    """
    if n < 1:
        raise ConfigError(f"--n must be at least 1, got {n}.")
    if not 0 < truncation <= 1:
        raise ConfigError(f"--truncation must be above 0 and at most 1, got {truncation}.")
    if (compare is None) != (features is None):
        raise ConfigError("--compare SOURCE and --features MODEL go together: images are compared by a classifier.")
    check_model(model)
    check_files(features=features)
    if compare is not None:
        check_source(compare)
    digits = max(4, len(str(n - 1)))
    names = [f"{number:0{digits}}.png" for number in range(n)]
    files = new_files(out, [*names, _GRID, _STRIP], ".png", "--out", force=force)

    import time

    import numpy as np

    from longspan.generative import load_generator
    from longspan.generative.image_sheets import save_image, sheet

    with interruptible(lambda: "Stopped; images that were written are whole."):
        generator = load_generator(model)
        started = time.perf_counter()
        images = generator.sample(n, seed=seed, truncation=truncation)
        seconds = time.perf_counter() - started
        strips = np.concatenate([generator.interpolate(9, seed=seed + row) for row in range(_ROWS)])
        Path(out).expanduser().mkdir(parents=True, exist_ok=True)
        for file, image in zip(files, [*images, sheet(images), sheet(strips, across=9)], strict=True):
            save_image(image, file)
        print(label("images", f"{n:,} in {out}, {n / seconds:,.0f} a second"))
        print(label("grid", str(files[-2])))
        print(label("between", str(files[-1])))
        if generator.info.get("collapsed_at") is not None:
            print(label("warning", "mode collapse was noticed in its training: see its report"))
        if compare is not None and features is not None:
            _compare(generator, compare, features, seed, truncation)


def _compare(generator: ImageGenerator, source: str, features: str, seed: int, truncation: float) -> None:
    """Print how the images compare with those of a source."""
    from longspan.cli.sources import read_source
    from longspan.errors import ModelFileError
    from longspan.generative.gan_training import encode_images
    from longspan.generative.image_measures import measure_images, nearest_images
    from longspan.inference.predictor import Predictor
    from longspan.randomness import permutation
    from longspan.systems.function_registry import load_with_functions

    classifier = load_with_functions(features)
    if not isinstance(classifier, Predictor):
        raise ModelFileError(f"--features {features} holds {classifier.what}, not a single network.")
    table = read_source(source, pattern=None, image=None, columns=())
    samples, column, rows = encode_images(table, generator.network.size_px)
    if column.channels != generator.network.channels:
        raise ConfigError(
            f"{source} has images of {column.channels} channels, but the network makes images of "
            f"{generator.network.channels}."
        )
    (name,) = samples.inputs
    pixels: np.ndarray = samples.inputs[name].read(rows[permutation(seed, "compared images", 0, len(rows))]).numpy()
    half = min(len(pixels) // 2, 2000)
    real, further = pixels[:half], pixels[half : 2 * half]
    made = generator.sample(half, seed=seed, truncation=truncation)
    found = measure_images(made, real, further, classifier)
    near = nearest_images(made, real, further)
    print(label("compared", f"{half:,} made images with {half:,} real ones, by {found.classifier}"))
    ideal = found.reachable
    print(label("precision", f"{found.precision:.3f} ({ideal['precision']:.3f} for real images)"))
    print(label("recall", f"{found.recall:.3f} ({ideal['recall']:.3f} for real images)"))
    print(label("distance", f"{found.kernel_distance:.4f} ({ideal['kernel distance']:.4f} for real images)"))
    print(label("copies", f"{100 * near.copies:.1f} % nearer to a real image than 99 % of real ones are"))
