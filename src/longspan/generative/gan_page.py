"""The report of a training of a network that makes images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from longspan.generative.gan_training import GanConfig, GanTraining
from longspan.generative.image_sheets import sheet
from longspan.report import CaptionedImage, Document

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curve_figure", "gan_page"]

_SHOWN, _STRIPS, _FRAMES = 64, 4, 6


def gan_page(training: GanTraining, config: GanConfig) -> Document:
    """Images, images between them, the way there, and the losses."""
    network = training.generator.network
    page = Document(
        "A network that makes images",
        subtitle=f"{config.loss} loss, {config.steps:,} steps on {training.images:,} images of {network.size_px} px.",
    )
    page.headline("variety", training.curve[-1]["variety"], "1: as varied as the real images")
    page.headline("seconds", round(training.seconds))
    if training.warning is not None:
        page.section("Warning").text(training.warning)
    page.section("Images").images(
        [CaptionedImage(sheet(training.generator.sample(_SHOWN)), f"{_SHOWN} images, seed 0")]
    )
    page.section("Between images").text("From one latent vector to another, along a great circle.").images(
        [CaptionedImage(sheet(training.generator.interpolate(9, seed=seed), across=9), "") for seed in range(_STRIPS)]
    )
    page.section("On the way").images(frames(training))
    page.section("Losses").figure(
        curve_figure([(config.loss, training)]),
        caption="Losses that hover are usual: both networks get better at once. Variety far below 1 is mode collapse.",
    )
    return page.settings(asdict(config)).environment()


def frames(training: GanTraining) -> list[CaptionedImage]:
    """The same latent vectors, evenly spaced over the training."""
    chosen = np.linspace(0, len(training.frames) - 1, min(_FRAMES, len(training.frames))).round().astype(int)
    return [
        CaptionedImage(sheet(training.frames[place][1], across=4), f"step {training.frames[place][0]:,}")
        for place in dict.fromkeys(chosen.tolist())
    ]


def curve_figure(trainings: Sequence[tuple[str, GanTraining]]) -> Figure:
    """Losses of both networks over the steps, a drawing for each training, and the variety of their images."""
    from longspan.report.canvas import COLOURS, heading, new_axes

    figure, axes = new_axes(len(trainings) + 1, width_px=320 * (len(trainings) + 1), height_px=280)
    for drawing, (name, training) in zip(axes, trainings, strict=False):
        steps = [record["step"] for record in training.curve]
        for place, network in enumerate(("generator", "discriminator")):
            values = [record[network] for record in training.curve]
            drawing.plot(steps, values, color=COLOURS[3 * place], linewidth=1.8, label=network)
        drawing.set_xlabel("step")
        drawing.legend(frameon=False)
        heading(drawing, f"Losses, {name}")
    for place, (name, training) in enumerate(trainings):
        steps = [record["step"] for record in training.curve]
        axes[-1].plot(
            steps, [record["variety"] for record in training.curve], color=COLOURS[3 * place], linewidth=1.8, label=name
        )
    axes[-1].set_ylim(bottom=0)
    axes[-1].set_xlabel("step")
    axes[-1].legend(frameon=False)
    heading(axes[-1], "Variety of the images")
    return figure
