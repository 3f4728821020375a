"""Steps of episodes, kept as they happen: a table of frames, observations, actions, rewards and faults."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import polars as pl

from longspan.columns import Category, Column, Image, Number, Raw
from longspan.data import Table
from longspan.errors import DataError

__all__ = ["Recording"]


@final
class Recording:
    """Steps that `run_episodes` played.

    `table()` has a row per step. Frames are uint8 images in memory; observations that are numbers or images are a
    column, or a column for each sensor where an observation is a dict.
    """

    def __init__(self, *, frames: bool = False, observations: bool = True, most_steps: int = 1_000_000) -> None:
        """Nothing yet.

        Args:
            frames: Keep what `render()` shows; the environment must be made with `render=True`.
            observations: Keep what the policy sees.
            most_steps: Steps after this many are not kept, so that an endless episode does not fill the memory.
        """
        self.frames = frames
        self.observations = observations
        self.most_steps = most_steps
        self.steps: list[dict[str, Any]] = []
        self._images: list[np.ndarray] = []
        self._seen: dict[str, list[np.ndarray]] = {}

    def __len__(self) -> int:
        """Steps."""
        return len(self.steps)

    def check(self, environment: Any) -> None:
        """Raise DataError, before any step, if frames are wanted of an environment that shows none."""
        if self.frames and environment.render_mode is None:
            raise DataError(
                "The environment shows no image to record: make it with make_environment(name, render=True), or with "
                "render_mode='rgb_array'; or record without frames."
            )

    def add(self, *, frame: Any, observation: Any, **values: Any) -> None:
        """Keep one step."""
        if len(self.steps) >= self.most_steps:
            return
        if self.frames:
            self._images.append(as_image(np.asarray(frame)))
        if self.observations:
            sensors = observation if isinstance(observation, dict) else {"observation": observation}
            for name, seen in sensors.items():
                self._seen.setdefault(name, []).append(np.array(seen))
        values["action"] = np.asarray(values["action"]).tolist()
        self.steps.append(values)

    def images(self, episode: int | None = None) -> list[np.ndarray]:
        """Frames `(H, W, 3)` uint8 of one episode, or of all."""
        return [
            image
            for image, step in zip(self._images, self.steps, strict=True)
            if episode is None or step["episode"] == episode
        ]

    def table(self) -> Table:
        """A row per step.

        Columns: episode, step, action, reward, terminated, truncated, fault (a word, or missing), frame where frames
        were kept, and the observations.

        Raises:
            DataError: there are no steps.
        """
        if not self.steps:
            raise DataError("The recording has no steps: play an episode with run_episodes(..., recording=...).")
        rows = len(self.steps)
        cells: dict[str, Any] = {name: [step[name] for step in self.steps] for name in self.steps[0]}
        columns: dict[str, Column] = {
            "episode": Number(), "step": Number(), "reward": Number(), "terminated": Category(),
            "truncated": Category(), "fault": Category(),
        }  # fmt: skip
        cells["fault"] = [word or None for word in cells["fault"]]
        for name in ("terminated", "truncated"):
            cells[name] = ["yes" if value else "no" for value in cells[name]]
        first = cells["action"][0]
        if isinstance(first, int):
            columns["action"] = Category()
            cells["action"] = [str(action) for action in cells["action"]]
        elif isinstance(first, list):
            columns["action"] = Raw()
        else:
            columns["action"] = Number()
        arrays: dict[str, np.ndarray] = {}
        if self._images:
            arrays["frame"] = np.stack(self._images)
            columns["frame"], cells["frame"] = _image_column(arrays["frame"]), list(range(rows))
        for name, seen in self._seen.items():
            stacked = np.stack(seen)
            if stacked.dtype == np.uint8 and stacked.ndim in (3, 4) and (stacked.ndim == 3 or stacked.shape[3] <= 4):
                arrays[name] = stacked
                columns[name], cells[name] = _image_column(stacked), list(range(rows))
            elif stacked.ndim == 1:
                columns[name], cells[name] = Number(), stacked.astype(np.float64).tolist()
            else:
                columns[name], cells[name] = Raw(), stacked.astype(stacked.dtype if stacked.dtype != bool else np.uint8)
                cells[name] = cells[name].reshape(rows, -1).tolist()
        return Table(pl.DataFrame(cells), columns, arrays=arrays, source="recording")


def _image_column(images: np.ndarray) -> Image:
    return Image(size_px=(images.shape[1], images.shape[2]), channels=3 if images.ndim == 4 else 1)


_COLOURS = np.array(
    [[31, 119, 180], [255, 127, 14], [150, 150, 150], [44, 160, 44], [214, 39, 40], [148, 103, 189], [140, 86, 75],
     [227, 119, 194], [188, 189, 34], [23, 190, 207]], np.uint8,
)  # fmt: skip


def as_image(frame: np.ndarray) -> np.ndarray:
    """`(H, W, 3)` uint8: of an image as it is, of floats 0..1, or of a bool grid with a channel per kind of object."""
    if frame.dtype == bool or (frame.ndim == 3 and frame.shape[2] not in (1, 3)):
        grid = frame.astype(bool)
        image = np.zeros((*grid.shape[:2], 3), np.uint8)
        for channel in range(grid.shape[2]):
            image[grid[..., channel]] = _COLOURS[channel % len(_COLOURS)]
        return image
    if frame.dtype != np.uint8:
        frame = (np.clip(frame, 0, 1) * 255).round().astype(np.uint8)
    if frame.ndim == 2:
        frame = frame[..., None]
    return np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))
