"""How far predicted points lie from labelled ones: normalised mean error, and the fraction of correct keypoints."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longspan.errors import ConfigError

__all__ = ["normalised_mean_error", "percentage_of_correct_keypoints", "point_distances"]

# N objects, K points


def point_distances(
    targets: npt.ArrayLike, predictions: npt.ArrayLike, *, between: tuple[int, int] | None = None
) -> npt.NDArray[np.float64]:
    """Distances `(N, K)` of predicted from labelled points, in units of each object; NaN where there is none.

    The unit is the extent of the object's labelled points, the diagonal of the box around them; or the distance between
    two of them, as it is usual for faces (the eyes) and bodies (the head, or the hips). It is at least a pixel. With
    `between`, objects that lack one of the two points have no unit, and all their distances are NaN.

    Args:
        targets: `(N, K, 3)` x, y in pixels, and 0 where nobody labelled the point.
        predictions: `(N, K, 2)` x, y in pixels; NaN for a point that was not predicted, which counts as one unit off.
        between: Positions of the two points whose distance is the unit.

    Raises:
        ConfigError: shapes that do not fit, or positions outside of the K points.
    """
    there, found = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    if there.ndim != 3 or there.shape[2] != 3 or found.shape != (*there.shape[:2], 2):
        raise ConfigError(f"Targets are (N, K, 3) and predictions (N, K, 2), got {there.shape} and {found.shape}.")
    known: npt.NDArray[np.bool_] = np.asarray(there[..., 2] > 0)
    places = np.where(known[..., None], there[..., :2], np.nan)
    apart = np.linalg.norm(found - places, axis=2)
    if between is None:
        low = np.where(known[..., None], there[..., :2], np.inf).min(axis=1, initial=np.inf)
        high = np.where(known[..., None], there[..., :2], -np.inf).max(axis=1, initial=-np.inf)
        some = known.any(axis=1)
        unit = np.where(some, np.linalg.norm(np.where(np.expand_dims(some, 1), high - low, 0.0), axis=1), np.nan)
    else:
        if len({*between}) != 2 or not all(0 <= each < there.shape[1] for each in between):
            raise ConfigError(f"between= names two of the {there.shape[1]} points by position, got {between!r}.")
        unit = np.linalg.norm(places[:, between[0]] - places[:, between[1]], axis=1)
    unit = np.maximum(unit, 1.0)[:, None]
    lost = known & np.isnan(found).any(axis=2)
    return np.where(lost, np.where(np.isnan(unit), np.nan, 1.0), apart / unit)


def normalised_mean_error(distances: npt.ArrayLike) -> float | None:
    """NME: the mean over objects of the mean distance of their points; None where no point has one.

    Args:
        distances: `(N, K)` as `point_distances` gives them.
    """
    distances = np.asarray(distances, np.float64)
    rows = distances[~np.isnan(distances).all(axis=1)]
    return float(np.nanmean(rows, axis=1).mean()) if len(rows) else None


def percentage_of_correct_keypoints(distances: npt.ArrayLike, within: float) -> float | None:
    """PCK: the fraction of points that are at most `within` units off; None where no point has a distance.

    Source: Yang and Ramanan 2013, "Articulated human detection with flexible mixtures of parts", section 6. With
    the distance between the ends of the head as unit it is PCKh (Andriluka et al. 2014).

    Args:
        distances: `(N, K)` as `point_distances` gives them.
        within: In units of the objects.
    """
    distances = np.asarray(distances, np.float64)
    known = distances[~np.isnan(distances)]
    return float((known <= within).mean()) if len(known) else None
