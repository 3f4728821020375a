"""Runs on a Ray cluster, or on a Ray of this machine where there is no cluster.

Each run is a Ray task: Ray uses its worker processes again, sends what all runs share to a machine once, and reports
which task a process took with it when it died. joblib's own way to Ray is not used: it gives results only when all are
there, so that a kill would lose them, and one dead process ends its whole pool.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

from longspan.errors import StudyError
from longspan.extras import require_extra
from longspan.study.runs.runs import Context, Failure, Run, RunResult
from longspan.study.runs.workers import Ended, Queue, process_died, work

__all__ = ["run_on_ray"]


def run_on_ray(context: Context, runs: Sequence[Run] | Queue, jobs: int) -> Generator[Ended]:
    """At most `jobs` at a time, wherever the cluster has cores; started here and ended again if there is none.

    A cluster is found as Ray finds it: one that `ray.init` connected to before, or the address in `RAY_ADDRESS`. Kept
    models are written where the run runs, so on several machines the study's folder must be one that all of them see.

    Raises:
        DependencyError: Ray is not installed.
        StudyError: the task or a strategy cannot be sent.
    """
    require_extra("ray", 'backend="ray"')
    ray: Any = importlib.import_module("ray")  # type checkers need not have it
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    under_way: dict[Any, Run] = {}
    try:
        cores = max((node["Resources"].get("CPU", 1) for node in ray.nodes() if node["Alive"]), default=1)
        gpus = ray.cluster_resources().get("GPU", 0)  # a task that asks for none does not see any
        needs = {"num_cpus": min(context.threads, cores), "num_gpus": min(1.0, gpus / jobs)}
        task = ray.remote(_work).options(**needs, max_retries=0)
        try:
            shared = ray.put(context)
        except Exception as error:
            raise StudyError(f"The task or a strategy cannot be sent to another process: {error}") from error
        waiting: Queue = deque(runs) if isinstance(runs, Sequence) else runs
        while under_way or waiting:
            while len(under_way) < jobs and waiting:  # a queue that chooses is asked only where there is room
                run = waiting.popleft()
                under_way[task.remote(shared.hex(), run, [shared])] = run
            done, _ = ray.wait(list(under_way), num_returns=1)
            for reference in done:
                run = under_way.pop(reference)
                try:
                    yield run, ray.get(reference)
                except ray.exceptions.RayTaskError as error:  # runs catch their own: what is left is about sending
                    raise StudyError(f"Run {run} could not be started by Ray: {error}") from error
                except ray.exceptions.RayError as error:
                    yield run, _died(error)
    finally:
        for reference in under_way:
            ray.cancel(reference, force=True)
        if started:
            ray.shutdown()


def _work(token: str, run: Run, shared: list[Any]) -> RunResult | Failure | None:
    """In a worker process of Ray; `shared` is a reference in a list, which Ray hands over as it is."""
    outcome = work(token, run, None)
    return work(token, run, importlib.import_module("ray").get(shared[0])) if outcome is None else outcome


def _died(error: Exception) -> Failure:
    return process_died(f"{type(error).__name__}: {error}")
