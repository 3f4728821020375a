"""`longspan train SOURCE --task generate`: a network learns to make images like those of a folder or a data set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longspan.cli.setting_words import parse_settings
from longspan.cli.shell import interruptible, label, new_file
from longspan.cli.sources import check_source
from longspan.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from longspan.generative import GanConfig

__all__ = ["train_generator"]

_TASKS = ("generate",)
_TAKEN = {
    "batch_size", "column", "device", "force", "image", "lr", "on_error", "out", "pattern", "quiet", "report", "root",
    "seed", "setting", "size", "source", "suffix", "task",
}  # fmt: skip
"""Options of `longspan train` that this task takes."""


def train_generator(params: Mapping[str, Any], given: Collection[str]) -> None:
    """What `longspan train SOURCE --task generate` does.

    Args:
        params: Every option by its name.
        given: Those that were on the command line.
    """
    if params["task"] not in _TASKS:
        raise ConfigError(
            f"--task {params['task']}: the only task that is named is generate. Whether classes, quantities, masks or "
            "boxes are predicted follows from --target and its type."
        )
    foreign = sorted(set(given) - _TAKEN)
    if foreign:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in foreign)
        raise ConfigError(
            f"--task generate learns from images alone: leave out {names}. Its settings are given by --set, as in "
            "--set steps=5000 --set loss=classic."
        )
    source = params["source"]
    if source is None:
        raise ConfigError("Name the images: longspan train SOURCE --task generate, a folder or the name of a data set.")
    check_source(source)
    words = parse_settings(params["setting"] or (), "steps=5000")
    out = new_file(_ending(params["out"], ".safetensors", "--out"), "--out", force=params["force"])
    page = new_file(params["report"] or out.with_suffix(".html"), "--report", force=params["force"])

    from longspan.cli.sources import read_source
    from longspan.generative import train_gan
    from longspan.generative.gan_page import gan_page

    config = _config(words, params, given)
    quiet = bool(params["quiet"])
    table = read_source(
        source, pattern=params["pattern"], image=params["image"], columns=params["column"] or (), root=params["root"],
        suffix=params["suffix"],
    )  # fmt: skip
    with interruptible(lambda: "Nothing was written."):
        training = train_gan(
            table, config=config, image=params["image"], seed=params["seed"], device=params["device"],
            on_error=params["on_error"], tell=None if quiet else _say,
        )  # fmt: skip
        training.generator.save(out)
        gan_page(training, config).save(page)
    if training.warning is not None:
        print(label("warning", training.warning))
    if not quiet:
        print(label("trained", f"on {training.images:,} images in {training.seconds:.0f} s"))
        print(label("model", str(out)))
        print(label("report", str(page)))
        print(label("images", f"longspan generate {out} --n 64 --out DIR"))


def _say(line: str) -> None:
    print(line, flush=True)


def _ending(path: str, ending: str, option: str) -> Path:
    if Path(path).suffix != ending:
        raise ConfigError(f"{option} {path} must end in {ending}: the network is one file.")
    return Path(path)


def _config(words: Mapping[str, str], params: Mapping[str, Any], given: Collection[str]) -> GanConfig:
    """The configuration from --set, --size, --batch-size and --lr."""
    from longspan.generative import GanConfig

    known = {field.name: field.type for field in fields(GanConfig)}
    values: dict[str, Any] = {}
    for name, word in words.items():
        if name not in known:
            raise unknown_name("setting", name, known)
        kind = str(known[name])
        try:
            values[name] = int(word) if "int" in kind else float(word) if "float" in kind else word
        except ValueError:
            raise ConfigError(f"--set {name}={word}: {name} is a{' whole' if 'int' in kind else ''} number.") from None
    for option, name in (("size", "size_px"), ("batch_size", "batch_size"), ("lr", "lr")):
        if option in given and name in words:
            raise ConfigError(f"--{option.replace('_', '-')} and --set {name} say the same: leave one out.")
        if option in given:
            values[name] = params[option]
    if "size" in given:
        if not str(params["size"]).isdigit():
            raise ConfigError(
                f"--size {params['size']}: made images are square; give their side in pixels, such as 32."
            )
        values["size_px"] = int(params["size"])
    return GanConfig(**values)
