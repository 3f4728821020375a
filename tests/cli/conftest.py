"""A folder of made-up images, a model trained on it, and the command line as a function."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from longspan.cli import main

PATTERN = r"(?P<breed>.+)_\d+\.png"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def longspan(capsys, monkeypatch):
    """`longspan("train", "pets")` as if typed; gives the exit code and what was printed."""

    def run(*words: str | Path) -> Ended:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["longspan", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, out, err)

    return run


def draw(folder: Path, label: str, number: int, level: int) -> None:
    """A noisy grey image of 28 x 28 pixels, brighter or darker."""
    rng = np.random.default_rng([level, number])
    noise = rng.integers(0, 60, (28, 28))
    PILImage.fromarray((noise + level).astype(np.uint8)).save(folder / f"{label}_{number}.png")


@pytest.fixture
def pets(tmp_path) -> Path:
    """Twelve dark pugs and twelve bright bengals."""
    folder = tmp_path / "pets"
    folder.mkdir()
    for number in range(12):
        draw(folder, "pug", number, 20)
        draw(folder, "bengal", number, 150)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A model that tells pugs from bengals."""
    import longspan as ls

    folder = tmp_path_factory.mktemp("trained")
    for number in range(12):
        draw(folder, "pug", number, 20)
        draw(folder, "bengal", number, 150)
    task = ls.Task(ls.Table.from_files(folder, PATTERN).split(), inputs="image", targets="breed")
    config = ls.TrainConfig(augment=ls.Augment(shift=0.05), batch_size=8)
    ls.Learner(task, "lenet5", config=config, progress=False).fit(4, 3e-3).save(folder / "model.safetensors")
    return folder / "model.safetensors"


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """Twelve images of drawn shapes, and what is in them in every format: coco.json, voc, yolo, masks, codes.txt."""
    from longspan.data.annotations import write_coco, write_voc, write_yolo
    from longspan.datasets.scenes import SHAPES, ScenesConfig, make_scenes

    folder = tmp_path_factory.mktemp("scenes")
    table = make_scenes(12, seed=1, config=ScenesConfig(size_px=(32, 40), side_px=(8, 16)))
    files = []
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for row in range(len(table)):
        files.append(folder / "images" / f"scene_{row:02}.png")
        PILImage.fromarray(table.value(row, "image")).save(files[-1])
        PILImage.fromarray(table.value(row, "mask")).save(folder / "masks" / f"scene_{row:02}_m.png")
    write_coco(folder / "coco.json", files, table.column_values("instances"), labels=SHAPES)
    write_voc(folder / "voc", files, table.column_values("boxes"))
    write_yolo(folder / "yolo", files, table.column_values("boxes"), labels=SHAPES)
    (folder / "codes.txt").write_text("ground\n" + "\n".join(SHAPES) + "\n")
    return folder


@pytest.fixture(scope="session")
def finders(scenes, tmp_path_factory) -> dict[str, Path]:
    """By kind of target a model that is built but not trained: what it says of the scenes is chance, and a lot."""
    import longspan as ls

    folder = tmp_path_factory.mktemp("finders")
    things = ls.Table.from_coco(scenes / "coco.json", scenes / "images")
    masks = ls.Table.from_masks(
        scenes / "images", scenes / "masks", mask_name="{stem}_m.png", codes=scenes / "codes.txt"
    )
    built = {}
    for target, design in (("mask", "unet"), ("boxes", "faster_rcnn"), ("instances", "mask_rcnn")):
        task = ls.Task((masks if target == "mask" else things).split(), "image", target, move_leaks=True)
        built[target] = ls.Learner(task, f"{design}:resnet20", progress=False).save(folder / f"{target}.safetensors")
    return built
