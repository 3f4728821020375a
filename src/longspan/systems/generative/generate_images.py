"""Images that never were: two adversarial losses side by side, measured by the features of a classifier."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.report import CaptionedImage, Document
from longspan.systems.options import check_at_least
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from longspan.generative import GanTraining, ImageMeasures, Nearest
    from longspan.inference import Predictor

__all__ = ["GENERATE_IMAGES", "GenerateImagesOptions"]

_SETS = {"faces": "lfw-faces-half"}
_LOSSES = ("classic", "relativistic")
_KEPT = "relativistic"
_CLASSES = 2, 100
_SMALL_SET = 10_000
_NEAREST = 12
_READ_PX = 28
_SPEED = 512
_SAID = ("precision", "recall", "precision, truncated", "recall, truncated", "kernel distance", "copies")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class GenerateImagesOptions:
    """Options of generate-images."""

    data: str = "mnist"
    """mnist, cifar10, faces, the name of another data set of images, or a folder of yours."""
    size_px: int | None = None
    """Side of the images, in pixels; that of the images if it suits, or 32."""
    steps: int = 2000
    """Steps of each training."""
    batch_size: int = 64
    """Real images a step."""
    width: int = 32
    """Channels of the largest map of both networks."""
    latent: int = 16
    """Length of the vectors of random numbers that become images; few suit digits."""
    truncation: float = 0.65
    """Scale of these vectors in a second look: images are more typical and less varied. 1: no second look."""
    loss: str = "both"
    """classic (DCGAN, 2015), relativistic (R3GAN, 2024), or both."""
    runs: int = 1
    """Trainings with each loss, with seeds that follow one another."""
    limit: int | None = None
    """Learn from at most this many images."""
    compared: int = 2000
    """Images of each kind that are compared; so many real ones are kept from the training."""
    classifier: str | None = None
    """File of the classifier by whose features images are compared; without it one is trained on the classes of the
    data set, or, where there are none, SqueezeNet's ImageNet weights serve."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(
            steps=(self.steps, 1), batch_size=(self.batch_size, 2), width=(self.width, 1), runs=(self.runs, 1),
            limit=(self.limit, 100), compared=(self.compared, 50), latent=(self.latent, 1),
        )  # fmt: skip
        if not 0 < self.truncation <= 1:
            raise ConfigError(f"--truncation must be above 0 and at most 1, got {self.truncation}.")
        if self.loss not in (*_LOSSES, "both"):
            raise ConfigError(f"--loss must be classic, relativistic or both, got {self.loss!r}.")


@final
@dataclass(frozen=True, eq=False, slots=True)
class _Trained:
    """One training and what its images come to."""

    loss: str
    seed: int
    training: GanTraining
    measures: ImageMeasures
    truncated: ImageMeasures | None
    nearest: Nearest
    made: np.ndarray
    images_per_s: float

    def figures(self) -> dict[str, float]:
        """By name."""
        return {
            "precision": self.measures.precision,
            "recall": self.measures.recall,
            "kernel distance": self.measures.kernel_distance,
            **(
                {}
                if self.truncated is None
                else {"precision, truncated": self.truncated.precision, "recall, truncated": self.truncated.recall}
            ),
            "copies": self.nearest.copies,
            "variety": self.training.curve[-1]["variety"],
            "generator's loss": self.training.curve[-1]["generator"],
            "discriminator's loss": self.training.curve[-1]["discriminator"],
            "seconds of training": self.training.seconds,
            "images per second": self.images_per_s,
        }


def _run(options: GenerateImagesOptions, run: SystemRun) -> None:
    from longspan.generative import GanConfig

    table = _table(options.data, run)
    learned, further = _parts(table, options)
    classifier = _classifier(options, table, run)
    losses = _LOSSES if options.loss == "both" else (options.loss,)
    trained: list[_Trained] = []
    started = time.perf_counter()
    for seed in range(run.seed, run.seed + options.runs):
        for loss in losses:
            run.say(f"\n{loss}, seed {seed}:")
            config = GanConfig(
                loss=loss, size_px=options.size_px, steps=options.steps, batch_size=options.batch_size,  # type: ignore[arg-type]
                width=options.width, latent=options.latent,
            )  # fmt: skip
            trained.append(_train(config, seed, learned, further, classifier, options.truncation, run))
    seconds = time.perf_counter() - started
    metrics = _means(trained)
    folder = run.folder
    for each in trained:
        if each.seed == run.seed:
            _write_images(each, folder, run)
    kept = next((each for each in trained if each.loss == _KEPT), trained[0])
    kept.training.generator.save(folder / "generator.safetensors")
    run.say(f"{'network':<20}{folder / 'generator.safetensors'}")
    run.finish(
        None, metrics, train_seconds=seconds, options=asdict(options),
        report=lambda: _report(options, trained, run.seed),
        details={
            "classifier": trained[0].measures.classifier,
            "reachable": trained[0].measures.reachable,
            "images": trained[0].training.images,
            "trainings": [
                {
                    "loss": each.loss, "seed": each.seed, **each.figures(), "collapsed_at": each.training.collapsed_at,
                    "curve": list(each.training.curve),
                }
                for each in trained
            ],
        },
    )  # fmt: skip


def _table(data: str, run: SystemRun) -> ls.Table:
    name = _SETS.get(data, data)
    if name in ls.datasets.names() and not Path(data).exists():
        return ls.datasets.load(name, tell=run.say)
    return ls.Table.from_folder(data)


def _parts(table: ls.Table, options: GenerateImagesOptions) -> tuple[ls.Table, ls.Table]:
    """Images to learn from, and further ones: the same for every seed, so that trainings differ by chance alone."""
    from longspan.randomness import permutation

    compared = min(options.compared, len(table) // 2)
    if compared < 50:
        raise ConfigError(
            f"--data {options.data} has {len(table)} images. 100 are needed at least, better thousands: half of so few "
            "are kept from the training to compare with."
        )
    order = permutation(0, "generated images", 0, len(table)).numpy()
    return table.take(order[compared:][: options.limit]), table.take(order[:compared])


def _classifier(options: GenerateImagesOptions, table: ls.Table, run: SystemRun) -> Predictor:
    """A given one, one that learns the classes of the data, or one of ImageNet."""
    from longspan.inference import Predictor

    if options.classifier is not None:
        given = ls.load(options.classifier)
        if not isinstance(given, Predictor):
            raise ConfigError(f"--classifier {options.classifier} holds {given.what}, not a single network.")
        return given
    label = _label(table)
    if label is None:
        return _imagenet()
    from longspan.columns import Image
    from longspan.generative.gan_training import encode_images, image_column
    from longspan.randomness import permutation

    name = image_column(table)
    some = table.take(permutation(0, "classified images", 0, len(table)).numpy()[:_SMALL_SET])
    size_px = max(_READ_PX, (encode_images(some, options.size_px)[1].size_px or (0, 0))[0])
    run.say(f"A classifier learns {label!r} from {len(some):,} images; its features compare images.")
    task = ls.Task(
        some.with_column(name, Image(size_px=(size_px, size_px))).split(valid=0.1),
        inputs=name,
        targets=label,
        allow_leaks=True,
    )
    learner = ls.Learner(task, "lenet5", progress=False)
    learner.fit_one_cycle(4)
    accuracy = learner.history[-1].get(f"{label}_accuracy", learner.history[-1].get("accuracy", float("nan")))
    run.say(f"Its accuracy on {len(task.valid):,} others: {accuracy:.3f}.")
    learner.save(run.folder / "classifier.safetensors")
    return learner.predictor()


def _label(table: ls.Table) -> str | None:
    """A column with a few classes, if there is one."""
    for name, column in table.columns.items():
        if column.kind == "category" and name not in ("part", "split"):
            low, high = _CLASSES
            if low <= table.frame[name].n_unique() <= high:
                return name
    return None


def _imagenet() -> Predictor:
    from longspan.columns import Image
    from longspan.inference import Predictor
    from longspan.inference.network import Network
    from longspan.models import create

    column = Image(size_px=(64, 64), channels=3).for_weights("imagenet")
    network = Network(create("squeezenet1_1", size_px=(64, 64), weights="imagenet"), {})
    return Predictor(network, {"image": column}, {})


def _train(
    config: ls.generative.GanConfig,
    seed: int,
    learned: ls.Table,
    further: ls.Table,
    classifier: Predictor,
    truncation: float,
    run: SystemRun,
) -> _Trained:
    import torch

    from longspan.data import encode_rows
    from longspan.generative import measure_images, nearest_images, train_gan
    from longspan.generative.gan_training import image_column

    training = train_gan(learned, config=config, seed=seed, tell=run.say)
    name = image_column(learned)

    def pixels(table: ls.Table) -> np.ndarray:
        rows = np.arange(len(table))
        encoded = encode_rows(table, rows, {name: training.column}, {})
        return encoded.inputs[name].read(torch.from_numpy(rows)).numpy()

    known, others = pixels(learned), pixels(further)
    made = training.generator.sample(len(others), seed=seed)
    begun = time.perf_counter()
    training.generator.sample(_SPEED, seed=seed)
    speed = _SPEED / (time.perf_counter() - begun)
    measures = measure_images(made, known[: len(others)], others, classifier)
    truncated = None
    if truncation < 1:
        less_varied = training.generator.sample(len(others), seed=seed, truncation=truncation)
        truncated = measure_images(less_varied, known[: len(others)], others, classifier)
    near = nearest_images(made, known, others)
    found = _Trained(config.loss, seed, training, measures, truncated, near, made, speed)
    run.say(", ".join(f"{name} {found.figures()[name]:.3f}" for name in _SAID if name in found.figures()))
    run.say(f"compared by {measures.classifier}")
    return found


def _means(trained: Sequence[_Trained]) -> dict[str, float]:
    """Means over seeds for each loss, and the smallest and largest precision and recall where there are several."""
    metrics: dict[str, float] = {}
    for loss in dict.fromkeys(each.loss for each in trained):
        figures = [each.figures() for each in trained if each.loss == loss]
        for name in figures[0]:
            values = [each[name] for each in figures]
            metrics[f"{loss}: {name}"] = float(np.mean(values))
            if len(values) > 1 and name.startswith(("precision", "recall")):
                metrics[f"{loss}: {name}, lowest of {len(values)}"] = min(values)
    reachable = trained[0].measures.reachable
    return metrics | {f"real images: {name}": value for name, value in reachable.items()}


def _write_images(each: _Trained, folder: Path, run: SystemRun) -> None:
    from longspan.generative.image_sheets import save_image, sheet

    generator = each.training.generator
    strips = np.concatenate([generator.interpolate(9, seed=each.seed + row) for row in range(4)])
    for name, image in (("images", sheet(each.made[:64])), ("between", sheet(strips, across=9))):
        path = save_image(image, folder / f"{each.loss}_{name}.png")
        run.say(f"{name:<20}{path}")


def _report(options: GenerateImagesOptions, trained: Sequence[_Trained], seed: int) -> Document:
    from longspan.generative.gan_page import curve_figure, frames
    from longspan.generative.image_sheets import sheet

    first = [each for each in trained if each.seed == seed]
    page = Document(
        "Images that never were",
        subtitle=f"{options.data}: {first[0].training.images:,} images of {first[0].made.shape[1]} px, "
        f"{options.steps:,} steps, {options.runs} seed{'s' if options.runs > 1 else ''}.",
    )
    for each in first:
        figures = each.figures()
        note = f"{each.loss}; {each.measures.reachable['precision']:.2f} for real images"
        page.headline("precision", round(figures["precision"], 3), note)
        note = f"{each.loss}; {each.measures.reachable['recall']:.2f} for real images"
        page.headline("recall", round(figures["recall"], 3), note)
    warnings = [f"{each.loss}, seed {each.seed}: {each.training.warning}" for each in trained if each.training.warning]
    if warnings:
        page.section("Warnings").text("\n\n".join(warnings))
    page.section("Images").images([CaptionedImage(sheet(each.made[:64]), each.loss) for each in first])
    page.section("Measured").text(
        f"Real and made images are compared by what the last layer of a classifier reads: "
        f"{first[0].measures.classifier}. Figures by another classifier cannot be compared with these."
    ).table([{"loss": each.loss, "seed": each.seed, **each.figures()} for each in trained])
    page.section("Copies?").text(
        "The made images that are nearest to a real one, above that one: pixel by pixel, among all that were "
        "learned from."
    )
    for each in first:
        page.images([CaptionedImage(_pairs(each), f"{each.loss}: {100 * each.nearest.copies:.1f} % nearer than usual")])
    page.section("Between images").images(
        [
            CaptionedImage(
                sheet(np.concatenate([each.training.generator.interpolate(9, seed=k) for k in range(4)]), across=9),
                each.loss,
            )
            for each in first
        ]
    )
    for each in first:
        page.section(f"On the way, {each.loss}").images(frames(each.training))
    page.section("Losses").figure(
        curve_figure([(each.loss, each.training) for each in first]),
        caption="Losses that hover are usual: both networks get better at once. Variety far below 1 is mode collapse.",
    )
    return page.settings(asdict(options)).environment()


def _pairs(each: _Trained) -> np.ndarray:
    """Made images above the real ones that are nearest to them, the nearest first."""
    from longspan.generative.image_sheets import sheet

    order = np.argsort(each.nearest.distances, kind="stable")[:_NEAREST]
    return sheet(np.concatenate([each.made[order], each.nearest.images[order]]), across=len(order))


GENERATE_IMAGES = System(
    name="generate-images",
    summary="Makes images that never were by two adversarial losses (DCGAN, R3GAN), and measures how good they are.",
    needs="the data set mnist or images of yours, and about a quarter of an hour",
    options=GenerateImagesOptions,
    run=_run,
)
