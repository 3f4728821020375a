"""A pipeline run one sample at a time, with the state of its stages kept: for loops that act on what they predict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from longspan.columns import Column
from longspan.errors import PipelineError, unknown_name
from longspan.heads import TargetPrediction
from longspan.inference import Prediction
from longspan.pipeline.components import Component
from longspan.pipeline.execution import run_stage
from longspan.pipeline.stage import Stage

__all__ = ["Runner"]

_LATE_STEPS = 3


@final
class Runner:
    """Steps through a sequence of samples: a video, a drive, a game. `Pipeline.start` gives one.

    Every step runs the same code as `Pipeline.predict`, so a sequence stepped through gives what the whole sequence
    gives at once. A stage with missing inputs is not run, and keeps its state.

    Example:
        >>> from longspan.pipeline import Pipeline
        >>> class Count:
        ...     def reset(self):
        ...         self.seen = 0
        ...     def __call__(self, frame):
        ...         self.seen += 1
        ...         return self.seen
        >>> runner = Pipeline([Stage("count", Count(), reads="frame", adds="number")]).start()
        >>> [runner.step(frame)["number"] for frame in "abc"], runner.reset(), runner.step("d")["number"]
        ([1, 2, 3], None, 1)
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        start: Callable[[], Sequence[Component]],
        inputs: Sequence[str],
        outputs: Sequence[str],
        located: Mapping[str, Column],
        deadline_s: float | None = None,
    ) -> None:
        """Start all stages.

        Args:
            stages: Those that are run, in order.
            start: Gives the component of each, with fresh state.
            inputs: Columns of a sample.
            outputs: Columns of a prediction.
            located: Those of them that lie in an image.
            deadline_s: How long a step may take, as a loop needs it; None: as long as it takes.

        Raises:
            PipelineError: a deadline that is not above 0.
        """
        if deadline_s is not None and not deadline_s > 0:
            raise PipelineError(f"deadline_s must be above 0, got {deadline_s!r}.")
        self._deadline_s = deadline_s
        self._late = 0
        self.stage_seconds: dict[str, float] = {}
        """Of the last step, by stage."""
        self._stages = tuple(stages)
        self._start = start
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._located = located
        self.columns: dict[str, Any] = {}
        """All columns of the last step: the sample's own and those that stages added."""
        self.steps = 0
        """Samples since the start or the last `reset`."""
        self._components = tuple(start())

    def __repr__(self) -> str:
        return f"Runner({', '.join(stage.name for stage in self._stages)}; {self.steps:,} steps)"

    def reset(self) -> None:
        """Begin a new sequence: fresh state in every stage."""
        self._components = tuple(self._start())
        self.columns = {}
        self.steps = 0
        self._late = 0

    def step(self, sample: Any) -> Prediction:
        """The prediction for the next sample.

        Args:
            sample: One value of the input column, or a dict by input where there are several.

        Raises:
            PipelineError: a stage fails, named with the number of the step; its state is as the failure left it. Or
                three steps in a row take longer than the deadline: the slowest stage is named.
        """
        values = self._values_of(sample)
        found = {name: TargetPrediction(value) for name, value in values.items()}
        for stage, component in zip(self._stages, self._components, strict=True):
            reads = [[found[name].value] for name in stage.reads]
            begun = time.perf_counter()
            added = run_stage(stage.spec, component, reads, self._where)
            self.stage_seconds[stage.name] = time.perf_counter() - begun
            found |= {name: predictions[0] for name, predictions in added.items()}
        self.columns = {name: each.value for name, each in found.items()}
        self._check_deadline()
        self.steps += 1
        return Prediction({name: found[name] for name in self._outputs}, None, self._located)

    def _check_deadline(self) -> None:
        """One late step may be the machine's doing, and the first also prepares things: three in a row are not."""
        taken = sum(self.stage_seconds.values())
        if self._deadline_s is None or self.steps == 0 or taken <= self._deadline_s:
            self._late = 0
            return
        self._late += 1
        if self._late >= _LATE_STEPS:
            name = max(self.stage_seconds, key=lambda each: self.stage_seconds[each])
            raise PipelineError(
                f"Step {self.steps} took {1000 * taken:.1f} ms and the loop allows {1000 * self._deadline_s:.1f} ms, "
                f"as did the {_LATE_STEPS - 1} before. The slowest stage is {name!r} with "
                f"{1000 * self.stage_seconds[name]:.1f} ms: make it smaller, or the loop slower."
            )

    def _values_of(self, sample: Any) -> dict[str, Any]:
        if isinstance(sample, dict):
            for name in self._inputs:
                if name not in sample:
                    raise unknown_name("input", name, sample)
            return {name: sample[name] for name in self._inputs}
        if len(self._inputs) > 1:
            raise PipelineError(f"This pipeline reads {sorted(self._inputs)}: give each sample as a dict of them.")
        return dict.fromkeys(self._inputs, sample)

    def _where(self, row: int) -> str:
        del row
        return f"step {self.steps}"
