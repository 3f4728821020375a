"""A photo in the style of a painting: by changing its pixels, and by a network that has learned the style."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

import longspan as ls
from longspan.errors import ConfigError
from longspan.report import CaptionedImage, Document
from longspan.systems.options import check_above_zero, check_at_least, check_network
from longspan.systems.result import SystemRun
from longspan.systems.system import System

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from longspan.generative import StyleConfig, StyledPhoto
    from longspan.generative.style_losses import StyleLosses
    from longspan.models.generative.style_network import StyleNetwork

__all__ = ["STYLE", "StyleOptions"]

_ROW = (0.1, 1.0, 10.0)
"""Times the style weight: how the choice is shown."""
_ROW_STEPS = 0.4
"""Fraction of the steps that each image of the row gets."""
_PHOTOS = 96
"""Photos of coco128 that a network learns from by default."""
_COMPARED = 12
"""Further photos on which network and optimisation are compared."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class StyleOptions:
    """Options of style."""

    content: str | None = None
    """File of the photo; a photo of the data set `paintings` without it."""
    style: str = "starry_night"
    """File of the painting, or one of the data set `paintings`: starry_night, the_scream, wave, composition_vii."""
    size_px: int = 256
    """Longer side of the result, in pixels."""
    steps: int = 300
    """Steps of the optimisation."""
    style_weight: float = 10.0
    """Weight of the style loss beside the content loss."""
    optimizer: Literal["lbfgs", "adam"] = "adam"
    """Adam, or L-BFGS as in the paper."""
    network: str = "squeezenet1_1"
    """The network that looks."""
    weights: str = "imagenet"
    """Its weights: "imagenet", "none" for random ones, or a file."""
    row: bool = True
    """Show other style weights beside the chosen one."""
    train: bool = False
    """Also train a network that paints any photo in this style in one pass, and compare both."""
    train_on: str | None = None
    """Folder of the photos that the network learns from; photos of coco128 without it."""
    train_steps: int = 1600
    """Steps of its training."""
    painter: str | None = None
    """File of a network that was trained before: it paints the photo instead of an optimisation."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least(size_px=(self.size_px, 64), steps=(self.steps, 2), train_steps=(self.train_steps, 1))
        check_above_zero(style_weight=self.style_weight)
        check_network(self.network, self.weights if self.weights != "none" else None)
        if self.optimizer not in ("lbfgs", "adam"):
            raise ConfigError(f"--optimizer must be lbfgs or adam, got {self.optimizer!r}.")
        if self.painter and (self.train or self.train_on):
            raise ConfigError(
                "--painter paints with a network that is there already: leave --train and --train-on out."
            )


def _run(options: StyleOptions, run: SystemRun) -> None:
    from longspan.generative.style_losses import StyleLosses

    config = _config(options)
    photo, painting = _content(options, run), _painting(options, run)
    if options.painter is not None:
        _paint(options, run, photo)
        return
    losses = StyleLosses(config.network, config.weights, config.content_map)
    started = time.perf_counter()
    result = _transfer(photo, painting, config, losses, run)
    run.say(
        f"Painted in {result.seconds:.0f} s: style loss {result.style_losses[0]:.3f} -> {result.style_losses[-1]:.3f}, "
        f"content loss {result.content_losses[-1]:.3f}."
    )
    metrics = {
        "style loss": result.style_losses[-1],
        "style loss of the photo": result.style_losses[0],
        "content loss": result.content_losses[-1],
        "seconds": result.seconds,
    }
    row = _row(photo, painting, config, losses, run) if options.row else []
    painter = _train(options, config, losses, painting, run) if options.train or options.train_on else None
    pairs: list[dict[str, float]] = []
    images = {"style.png": result.image, "steps.png": _strip([image for _, image in result.frames])}
    if row:
        images["weights.png"] = _strip([each.image for _, each in row])
    if painter is not None:
        from longspan.generative import apply_style

        painted, _ = apply_style(painter, photo, options.size_px)
        images["one_pass.png"] = painted
        pairs = _compare(options, painter, painting, config, losses, run)
        metrics |= _figures(painter, photo, pairs)
    _save(run, images, painter)
    run.finish(
        None, metrics, train_seconds=time.perf_counter() - started, options=asdict(options),
        report=lambda: _report(options, result, row, images.get("one_pass.png"), pairs),
        details={"content_losses": result.content_losses, "style_losses": result.style_losses, "compared": pairs},
    )  # fmt: skip


def _config(options: StyleOptions) -> StyleConfig:
    from longspan.generative import StyleConfig

    return StyleConfig(
        size_px=options.size_px, steps=options.steps, style_weight=options.style_weight, optimizer=options.optimizer,
        network=options.network, weights=None if options.weights == "none" else options.weights,
    )  # fmt: skip


def _content(options: StyleOptions, run: SystemRun) -> Any:
    if options.content is not None:
        return options.content
    table = ls.datasets.load("paintings", tell=run.say)
    return next(row["image"] for row in table if row["kind"] == "photo" and row["name"] == "chicago")


def _painting(options: StyleOptions, run: SystemRun) -> Any:
    if Path(options.style).suffix or Path(options.style).exists():
        return options.style
    table = ls.datasets.load("paintings", tell=run.say)
    known = {row["name"]: row["image"] for row in table if row["kind"] == "painting"}
    if options.style not in known:
        from longspan.errors import unknown_name

        raise unknown_name("painting", options.style, known)
    return known[options.style]


def _transfer(
    photo: Any, painting: Any, config: StyleConfig, losses: StyleLosses, run: SystemRun, *, tell: bool = True
) -> StyledPhoto:
    from longspan.generative import transfer_style

    return transfer_style(photo, painting, config=config, losses=losses, seed=run.seed, tell=run.say if tell else None)


def _row(
    photo: Any, painting: Any, config: StyleConfig, losses: StyleLosses, run: SystemRun
) -> list[tuple[float, StyledPhoto]]:
    """The same with other style weights, in fewer steps each."""
    from dataclasses import replace

    found = []
    for times in _ROW:
        weight = times * config.style_weight
        fewer = replace(config, style_weight=weight, steps=max(round(_ROW_STEPS * config.steps), 2))
        found.append((weight, _transfer(photo, painting, fewer, losses, run, tell=False)))
        run.say(
            f"style weight {weight:g}: style loss {found[-1][1].style_losses[-1]:.3f}, "
            f"content loss {found[-1][1].content_losses[-1]:.3f}"
        )
    return found


def _photos(options: StyleOptions, run: SystemRun) -> tuple[list[Any], list[Any]]:
    """Photos to learn from, and others to compare on."""
    if options.train_on is None:
        photos = list(ls.datasets.load("coco128", tell=run.say).column_values("image"))
        return photos[:_PHOTOS], photos[-_COMPARED:]
    photos = list(ls.Table.from_folder(options.train_on).column_values("image"))
    if len(photos) < 2:
        raise ConfigError(f"--train-on {options.train_on} has {len(photos)} photos; a network needs two at least.")
    compared = min(_COMPARED, len(photos) // 2)
    return photos[:-compared], photos[-compared:]


def _train(
    options: StyleOptions, config: StyleConfig, losses: StyleLosses, painting: Any, run: SystemRun
) -> StyleNetwork:
    from longspan.generative import StyleTraining, train_style

    photos, _ = _photos(options, run)
    run.say(f"A network learns the style from {len(photos)} photos.")
    return train_style(
        photos, painting, config=config, training=StyleTraining(steps=options.train_steps), losses=losses,
        seed=run.seed, tell=run.say,
    )  # fmt: skip


def _compare(
    options: StyleOptions,
    painter: StyleNetwork,
    painting: Any,
    config: StyleConfig,
    losses: StyleLosses,
    run: SystemRun,
) -> list[dict[str, float]]:
    """The weighted loss that the network reaches on photos that it has not seen, and the optimisation on the same."""
    import torch

    from longspan.generative.style import read_photo

    _, photos = _photos(options, run)
    found = []
    losses.look_at_style(read_photo(painting, config.size_px, "painting"))
    for photo in photos:
        target = read_photo(photo, config.size_px, "photo")
        target = target[..., : target.shape[-2] // 4 * 4, : target.shape[-1] // 4 * 4]
        losses.look_at_content(target)
        with torch.no_grad():
            content, style = losses(painter(target))
            before, raw = losses(target)
        optimised = _transfer(photo, painting, config, losses, run, tell=False)
        found.append(
            {
                "photo": raw.item() * config.style_weight + before.item(),
                "in one pass": content.item() + config.style_weight * style.item(),
                "optimised": optimised.content_losses[-1] + config.style_weight * optimised.style_losses[-1],
            }
        )
    return found


def _figures(painter: StyleNetwork, photo: Any, pairs: Sequence[dict[str, float]]) -> dict[str, float]:
    """How near the network comes to the optimisation, whether both find the same photos hard, and seconds at 512 px."""
    from longspan.generative import apply_style

    optimised, passed, before = (np.array([pair[name] for pair in pairs]) for name in _WAYS)
    seconds = min(apply_style(painter, photo, 512)[1] for _ in range(3))
    found = {
        "loss, optimised": float(optimised.mean()),
        "loss, in one pass": float(passed.mean()),
        "loss of the photos": float(before.mean()),
        "seconds in one pass, 512 px": seconds,
    }
    if len(pairs) > 2 and optimised.std() and passed.std():
        found["correlation of the losses over photos"] = float(np.corrcoef(optimised, passed)[0, 1])
    return found


_WAYS = ("optimised", "in one pass", "photo")


def _paint(options: StyleOptions, run: SystemRun, photo: Any) -> None:
    from longspan.generative import apply_style, load_style

    assert options.painter is not None
    painter = load_style(options.painter)
    started = time.perf_counter()
    image, seconds = apply_style(painter, photo, options.size_px)
    _save(run, {"style.png": image}, None)
    run.finish(
        None, {"seconds": seconds}, train_seconds=time.perf_counter() - started, options=asdict(options),
        report=lambda: Document("In the style of a painting", subtitle=f"By {options.painter}.")
        .section("Result").images([CaptionedImage(image, "painted in one pass")]),
    )  # fmt: skip


def _strip(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one size, side by side."""
    return np.concatenate(list(images), axis=1)


def _save(run: SystemRun, images: dict[str, np.ndarray], painter: StyleNetwork | None) -> None:
    from PIL import Image

    from longspan.generative import save_style
    from longspan.storage.files import write_whole

    for name, image in images.items():
        write_whole(run.folder / name, lambda part, image=image: Image.fromarray(image).save(part, format="PNG"))
        run.say(f"{name:<18}{run.folder / name}")
    if painter is not None:
        run.say(f"{'network':<18}{save_style(painter, run.folder / 'painter.safetensors')}")


def _curves(result: StyledPhoto) -> Figure:
    """Both losses over the steps."""
    from longspan.report.canvas import COLOURS, heading, new_axes

    sheet, (axes,) = new_axes(1, width_px=640, height_px=300)
    for place, (name, losses) in enumerate((("content", result.content_losses), ("style", result.style_losses))):
        axes.plot(np.arange(len(losses)), losses, color=COLOURS[3 * place], linewidth=1.8, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    heading(axes, "Losses")
    axes.legend(frameon=False)
    return sheet


def _report(
    options: StyleOptions,
    result: StyledPhoto,
    row: Sequence[tuple[float, StyledPhoto]],
    in_one_pass: np.ndarray | None,
    pairs: Sequence[dict[str, float]],
) -> Document:
    page = Document(
        "In the style of a painting",
        subtitle=f"{options.steps} steps of {options.optimizer} on {result.image.shape[1]} x {result.image.shape[0]} "
        f"pixels, seen by {options.network}.",
    )
    page.headline("style loss", result.style_losses[-1], f"{result.style_losses[0]:.3f} before")
    page.headline("content loss", result.content_losses[-1], "1: nothing of the photo is left")
    page.headline("seconds", round(result.seconds, 1))
    page.section("Result").images(
        [
            CaptionedImage(result.photo, "the photo"),
            CaptionedImage(result.painting, "the painting"),
            CaptionedImage(result.image, "painted"),
            *([] if in_one_pass is None else [CaptionedImage(in_one_pass, "by the network, in one pass")]),
        ]
    )
    page.section("On the way").images([CaptionedImage(image, f"step {step}") for step, image in result.frames])
    page.figure(
        _curves(result),
        caption="Both losses, relative: 1 is as far as an image in which the network sees nothing.",
    )
    if row:
        page.section("Style weight").text("The same photo with other weights of the style loss, in fewer steps.")
        page.images(
            [
                CaptionedImage(
                    each.image,
                    f"{weight:g}: style {each.style_losses[-1]:.3f}, content {each.content_losses[-1]:.3f}",
                )
                for weight, each in row
            ]
        )
    if pairs:
        page.section("In one pass or optimised").text(
            "The weighted loss on photos that the network has not seen: before, by the network in one pass, and by the "
            "optimisation of each photo alone."
        )
        page.table([{name: round(pair[name], 3) for name in ("photo", "in one pass", "optimised")} for pair in pairs])
    return page.settings(asdict(options)).environment()


STYLE = System(
    name="style",
    summary="Paints a photo in the style of a painting, and trains a network that does so in one pass.",
    needs=(
        "the data set paintings or two files of yours, ImageNet weights of the network, and about a minute, a quarter "
        "of an hour with --train"
    ),
    options=StyleOptions,
    run=_run,
)
