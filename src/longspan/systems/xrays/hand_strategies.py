"""Ways to tell the bone age of a hand: in stages, by regions, end to end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import longspan as ls
from longspan.systems.xrays.joints import hand_length, joint_regions, measure_hand, measure_lengths

__all__ = [
    "AS_TAKEN", "END_TO_END", "LONG_ENOUGH", "NEEDS", "REGIONS", "STAGED", "TRANSFER", "age_network", "find_joints",
    "hand_strategies", "made_up_strategies",
]  # fmt: skip

STAGED, REGIONS, END_TO_END, TRANSFER = "in stages", "by regions", "end to end", "transfer"
NEEDS = {
    STAGED: ("age_months", "joints"),
    REGIONS: ("age_months", "joints"),
    END_TO_END: ("age_months",),
    TRANSFER: ("age_months",),
}
"""The labels that each strategy learns from; joints are named points."""
AS_TAKEN = ("height_px", "width_px")
"""Columns with the size of a radiograph before it was reduced."""
LONG_ENOUGH = 200
"""Steps of a training with few rows."""
_WHOLE_HAND = ls.Augment(rotate_deg=12, scale=0.04, shift=0.06, flip=True, brightness=0.1, contrast=0.3, fill=0.0)
_TILES = ls.Augment(brightness=0.1, contrast=0.3)


def age_network(
    backbone: str,
    weights: str | None,
    *,
    epochs: int,
    lr: float,
    augment: ls.Augment = _WHOLE_HAND,
    batch_size: int = 32,
) -> ls.Recipe:
    """An image and the sex to the age: absolute error, for the error is measured so."""
    phase = ls.Phase(epochs=epochs, lr=lr, backbone_lr_mult=1.0 if weights is None else 0.3)
    head = ls.Regress(criterion="absolute", hidden=(64,), dropout=0.1)
    return ls.Recipe(
        backbone,
        weights=weights,
        phases=(phase,),
        heads={"age_months": head},
        config=ls.TrainConfig(batch_size=batch_size, weight_decay=0.02, clip_norm=5.0, augment=augment, keep="last"),
        average=0.99,
        min_steps=LONG_ENOUGH,
    )


def find_joints(backbone: str, weights: str | None, *, epochs: int, lr: float = 3e-3) -> ls.Recipe:
    """A heat map for each joint."""
    augment = ls.Augment(rotate_deg=15, scale=0.15, shift=0.08, brightness=0.1, contrast=0.3, fill=0.0)
    return ls.Recipe(
        f"heat_maps:{backbone}",
        weights=weights,
        heads={"joints": ls.HeatMaps(sigma_px=1.2, width=16)},
        epochs=epochs,
        lr=lr,
        config=ls.TrainConfig(batch_size=16, augment=augment, clip_norm=5.0, keep="last"),
        average=0.99,
    )


def _regression() -> Any:
    """Support vectors on standardised measures: smooth, and of a kind that a file without code can hold."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    radial: Any = SVR(C=60.0, epsilon=3.0)
    return make_pipeline(StandardScaler(), radial.set_params(gamma=0.003))


def hand_strategies(
    finder: ls.Predictor,
    *,
    backbone: str,
    weights: str | None,
    epochs: int,
    small: str,
    lr: float,
    original_size: bool = True,
) -> dict[str, ls.Strategy]:
    """The strategies for radiographs whose joints `finder` finds.

    Args:
        finder: A trained network from an image to its joints.
        backbone: Of the networks that read the whole hand.
        weights: That all but END_TO_END start from.
        epochs: Of each network.
        small: The network that reads the regions.
        lr: Peak learning rate.
        original_size: Whether stages read the columns AS_TAKEN.
    """
    sizes = AS_TAKEN if original_size else ()
    age = {"age_months": ls.Number(unit="months")}
    find = ls.Stage("find", finder, reads="image", adds="joints")
    tiles = ls.Image(channels=1, size_px=(96, 120))
    length = {"hand_px": ls.Number(unit="px")}
    regions = age_network(small, weights, epochs=epochs, lr=lr, augment=_TILES)
    return {
        STAGED: ls.Pipeline(
            [
                find,
                ls.Stage("measure", measure_hand, reads=["image", "joints", "sex", *sizes], adds="measures"),
                ls.Stage("look up", _regression(), reads="measures", adds=age, train_on="predicted"),
            ]
        ),
        REGIONS: ls.Pipeline(
            [
                find,
                ls.Stage("cut", joint_regions, reads=["image", "joints", *sizes], adds={"regions": tiles}),
                *([ls.Stage("size", hand_length, reads=["image", "joints", *sizes], adds=length)] if sizes else []),
                ls.Stage(
                    "read", regions, reads=["regions", "sex", *(length if sizes else ()), *sizes], adds=age,
                    train_on="predicted",
                ),
            ]
        ),
        END_TO_END: age_network(backbone, None, epochs=epochs, lr=3 * lr),
        TRANSFER: age_network(backbone, weights, epochs=epochs, lr=lr),
    }  # fmt: skip


def made_up_strategies(
    *, backbone: str, weights: str | None, epochs: int, small: str, lr: float
) -> dict[str, ls.Strategy]:
    """The strategies for made-up hands, where each strategy learns all its stages from the rows it is given.

    `small` is the network that finds joints; the others are as in `hand_strategies`.
    """
    mild = replace(_WHOLE_HAND, scale=0.0, flip=False)  # sizes are what tells the age
    finder = find_joints(small, weights, epochs=epochs)
    still = replace(finder.config.augment, scale=0.0) if isinstance(finder.config.augment, ls.Augment) else mild
    finder = replace(finder, config=replace(finder.config, augment=still), heads={"points": ls.HeatMaps(width=16)})
    return {
        STAGED: ls.Pipeline(
            [
                ls.Stage("find", replace(finder, min_steps=LONG_ENOUGH), reads="image", adds="points"),
                ls.Stage("measure", measure_lengths, reads=["points", "sex"], adds="lengths"),
                ls.Stage(
                    "look up", _regression(), reads="lengths", adds={"age_months": ls.Number(unit="months")},
                    train_on="both",
                ),
            ]
        ),
        END_TO_END: age_network(backbone, None, epochs=epochs, lr=3 * lr, augment=mild),
        TRANSFER: age_network(backbone, weights, epochs=epochs, lr=lr, augment=mild),
    }  # fmt: skip
