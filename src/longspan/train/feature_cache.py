"""Outputs of frozen layers for each row, computed once: without augmentation they are the same in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from longspan.data.batches.row_hashes import row_digests
from longspan.data.batches.samples import Samples
from longspan.data.batches.store import Store
from longspan.inference.network import Network, UpperLayers, eval_view
from longspan.inference.source import Source, autocast
from longspan.models.backbone import Map

__all__ = ["FeatureCache"]

_COMPARED_BYTES = 4096


@final
class FeatureCache:
    """Outputs of the frozen lower layers of one network for all rows that train or validate.

    Later phases use what earlier ones stored: where a phase trains the heads alone and a later one the upper layers
    too, the layers that are frozen in both run over each row once. Rows with the same image, such as the five captions
    of a photograph, are computed and stored once.
    """

    def __init__(
        self, whole: Source, network: Network, rows: torch.Tensor, *, batch_size: int, cache_gb: float
    ) -> None:
        """Nothing is computed yet.

        Args:
            whole: The rows, for the whole network.
            network: Its frozen layers must not change as long as this is used.
            rows: `(N,)` all rows that will be asked for.
            batch_size: Rows at a time.
            cache_gb: Larger outputs are not stored.
        """
        self._whole = whole
        self._network = network
        self._rows = rows
        self._batch_size = batch_size
        self._memory_bytes = int(cache_gb * 2**30)
        self._stores: dict[int, Store] = {}
        self._once: tuple[torch.Tensor, np.ndarray] | None = None

    def source(self, frozen: float, upcoming: Sequence[float] = ()) -> Source | None:
        """Batches of stored outputs, and the upper layers that read them; None where that is impossible.

        Args:
            frozen: Fraction of the layer groups that are frozen in this phase.
            upcoming: The same of later phases, whose layers are stored on the way.
        """
        groups = self._network.frozen_groups(frozen)
        if not groups or self._network.parts(groups) is None:
            return None
        for below in sorted({self._network.frozen_groups(fraction) for fraction in upcoming}, reverse=True):
            if 0 < below < groups and self._network.parts(below) is not None and self._store(below, 0) is not None:
                break
        lower = max((known for known in self._stores if known < groups), default=0)
        whole = groups == self._network.frozen_groups(1.0)
        store = self._store(groups, lower if whole else 0)
        if store is None:
            return None
        at = self._whole
        samples = Samples({"outputs": store}, at.samples.targets)
        # The network is an argument: a running average may stand in.
        return Source(
            samples,
            lambda batch: (batch.inputs["outputs"],),
            lambda network: UpperLayers(network, groups),
            at.device,
            at.dtype,
        )

    @torch.no_grad()
    def _store(self, groups: int, below: int) -> Store | None:
        """Outputs of the lowest `groups` groups, from those of the lowest `below` if there are any."""
        if groups in self._stores:
            return self._stores[groups]
        network = eval_view(self._network)
        parts = network.parts(groups)
        assert parts is not None
        run: Map = parts[0]
        at, samples = self._whole, self._whole.samples
        prepare = at.prepare
        if below:
            from_below = network.parts(below)
            assert from_below is not None
            run = from_below[1]
            samples = Samples({"outputs": self._stores[below]}, {})
            prepare = lambda batch: (batch.inputs["outputs"],)  # noqa: E731
        if self._once is None:  # not before: most trainings freeze nothing
            self._once = _each_once(at.samples, self._rows)
        firsts, of_row = self._once
        outputs: torch.Tensor | None = None
        done = 0
        ordered, places = samples.by_length(firsts)
        for batch in samples.batches(ordered, self._batch_size):
            with autocast(at.device, at.dtype):
                values = run(*prepare(batch.to(at.device))).float().cpu()
            if outputs is None:
                if values[0].numel() * 4 * len(firsts) > self._memory_bytes:
                    return None
                outputs = torch.empty(len(firsts), *values.shape[1:])
                if values.ndim == 4:  # as the next layers like it
                    outputs = outputs.to(memory_format=torch.channels_last)
            outputs[done : done + len(batch)] = values
            done += len(batch)
        assert outputs is not None
        slots = np.full(int(self._rows.max()) + 1, -1, np.int64)
        slots[self._rows.numpy()] = of_row if places is None else places.numpy()[of_row]
        self._stores[groups] = Store(outputs, slots, {})
        return self._stores[groups]


def _each_once(samples: Samples, rows: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
    """The first row of all with the same inputs, `(M,)`, and by row which of these it is, `(N,)`.

    Rows that are small, or read anew whenever they are needed, are not compared: that would take as long as a network.
    """
    if not all(store.in_memory and (store.row_bytes or 0) >= _COMPARED_BYTES for store in samples.inputs.values()):
        return rows, np.arange(len(rows))
    place_of: dict[bytes, int] = {}
    slots = [place_of.setdefault(digest, len(place_of)) for digest in row_digests(samples, rows, 16)]
    firsts = np.unique(slots, return_index=True)[1]
    return rows[torch.from_numpy(firsts)], np.array(slots, np.int64)
