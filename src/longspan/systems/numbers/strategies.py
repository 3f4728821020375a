"""Five strategies to read a handwritten number."""

from __future__ import annotations

from pathlib import Path

import longspan as ls
from longspan.systems.numbers.sliding import WINDOW_PX, ReadBySliding
from longspan.systems.numbers.stages import learned_stages, single_digits, staged_pipeline

__all__ = [
    "END_TO_END",
    "FROM_DIGITS",
    "LEARNED_STAGES",
    "NEEDS",
    "SLIDING",
    "STAGED",
    "line_reader",
    "reading_strategies",
]

STAGED, SLIDING, LEARNED_STAGES = "in stages", "sliding LeNet", "all stages learned"
END_TO_END, FROM_DIGITS = "end to end", "from single digits"
NEEDS = {
    STAGED: ("number", "boxes"),
    SLIDING: ("number", "boxes"),
    END_TO_END: ("number",),
    FROM_DIGITS: ("number",),
    LEARNED_STAGES: ("number", "boxes"),
}
"""The labels that each strategy learns from; boxes locate the digits."""

_SOURCE_EPOCHS = 5
_LINES = ls.Augment(
    rotate_deg=3, shift=0.02, scale=0.06, brightness=0.1, contrast=0.3, fill="border", resample="bilinear"
)


def reading_strategies(
    digits: ls.Table, *, source: int = 8_000, seed: int = 0, keep_in: Path | None = None
) -> dict[str, ls.Strategy]:
    """The five strategies by name.

    Args:
        digits: Images of the single digits of the training part, for the source trainings of the last two strategies.
        source: Number of single digits in the source trainings.
        seed: Seed of the source data and source trainings.
        keep_in: Folder for the source networks, where a continued study finds them.
    """
    reader = line_reader()
    look = ls.datasets.NumbersConfig(size_px=(32, WINDOW_PX), lengths=(1, 1))
    single = ls.datasets.make_numbers(digits, source, seed=seed, config=look)
    task = ls.Task(single.split(valid=0), inputs="image", targets="number")
    source_recipe = ls.Recipe(reader.model, epochs=_SOURCE_EPOCHS, lr=reader.lr, config=single_digits())
    return {
        STAGED: staged_pipeline(),
        SLIDING: ReadBySliding(),
        END_TO_END: reader,
        FROM_DIGITS: ls.Transfer(reader, source=task, source_recipe=source_recipe, source_seed=seed, keep_in=keep_in),
        LEARNED_STAGES: learned_stages(digits, source=source, seed=seed, keep_in=keep_in),
    }


def line_reader(*, small: bool = False) -> ls.Recipe:
    """A convolutional network over the whole image with CTC."""
    channels = (16, 32, 64, 96) if small else (24, 48, 96, 128)
    model = ls.LineCNNConfig(channels=channels, num_features=channels[-1])
    # CTC predicts only blanks for the first hundreds of steps, so small budgets need small batches.
    config = ls.TrainConfig(batch_size=16 if small else 32, weight_decay=0.02, augment=_LINES)
    return ls.Recipe(model, epochs=20, lr=8e-3 if small else 6e-3, config=config)
