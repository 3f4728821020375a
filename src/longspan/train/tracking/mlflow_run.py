"""A run in MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, final

from longspan.errors import ConfigError
from longspan.extras import require_extra
from longspan.train.tracking.tracking import Step

__all__ = ["MLflow"]

_LONGEST = 500  # characters of a parameter's value that MLflow takes


@final
class MLflow:
    """Settings as parameters, losses and metrics as metrics, of one run on a tracking server.

    A resumed training goes on in the same run.
    """

    def __init__(self, uri: str | None = None, *, experiment: str = "longspan", name: str | None = None) -> None:
        """Track on a server.

        Args:
            uri: Such as "http://localhost:5000"; None: what MLFLOW_TRACKING_URI says.
            experiment: Made if there is none of this name.
            name: Of the run; None: MLflow makes one up.

        Raises:
            DependencyError: MLflow is not installed.
        """
        require_extra("mlflow", "tracking with MLflow")
        self.uri = uri
        self.experiment = experiment
        self.name = name
        self.run_id: str | None = None
        self._client: Any = None

    def open(self, first_step: int, settings: Mapping[str, Any]) -> None:
        """Begin the run, or go on in it.

        Raises:
            ConfigError: the server cannot be reached or refuses.
        """
        from mlflow import MlflowClient
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        try:
            if self._client is None:
                self._client = MlflowClient(tracking_uri=self.uri)
            if self.run_id is None or first_step == 0:
                found = self._client.get_experiment_by_name(self.experiment)
                number = found.experiment_id if found else self._client.create_experiment(self.experiment)
                self.run_id = self._client.create_run(number, run_name=self.name).info.run_id
            else:
                self._client.update_run(self.run_id, status="RUNNING")
            known = self._client.get_run(self.run_id).data.params
            new = [
                Param(_name(key), str(value)[:_LONGEST]) for key, value in settings.items() if _name(key) not in known
            ]
            self._client.log_batch(self.run_id, params=new)
        except MlflowException as error:
            raise ConfigError(
                f"MLflow at {self.uri or 'MLFLOW_TRACKING_URI'}: {str(error).splitlines()[0]} Start a server (mlflow "
                "server) and name its address, or a file: sqlite:///mlflow.db."
            ) from error

    def steps(self, steps: Sequence[Step]) -> None:
        """Metrics "step.loss" and "step.lr"."""
        self._log(
            [(f"step.{name}", value, int(step["step"]), step["time"]) for step in steps for name, value in step.items()
             if name not in ("step", "epoch", "time")]
        )  # fmt: skip

    def epoch(self, step: int, record: Mapping[str, float]) -> None:
        """Metrics by their own names."""
        moment = time.time()
        self._log([(name, value, step, moment) for name, value in record.items() if name not in ("epoch", "lr")])

    def close(self) -> None:
        """The run is finished, unless another phase goes on in it."""
        self._client.set_terminated(self.run_id)

    def state_dict(self) -> dict[str, Any]:
        """The run."""
        return {"run_id": self.run_id}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Go on in the same run."""
        self.run_id = values["run_id"]

    def _log(self, values: Sequence[tuple[str, float, int, float]]) -> None:
        from mlflow.entities import Metric

        found = [Metric(_name(name), value, int(moment * 1000), step) for name, value, step, moment in values]
        for start in range(0, len(found), 1000):  # as many as MLflow takes at once
            self._client.log_batch(self.run_id, metrics=found[start : start + 1000])


def _name(words: str) -> str:
    """Letters, digits, and what MLflow allows beside them."""
    return "".join(each if each.isalnum() or each in "_-./ " else "_" for each in words)
