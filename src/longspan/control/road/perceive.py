"""From lidar and radar to objects that move: clusters, targets, and tracks by a Kalman filter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from longspan.control.road.sensors import LIDAR_ANGLES, LIDAR_REACH_M
from longspan.control.road.world import STEP_S

__all__ = ["Tracker", "lidar_clusters"]

_GAP_M = 1.2
_GATE_M = 3.0
_CONFIRM, _FORGET = 2, 8


def lidar_clusters(ranges: np.ndarray) -> np.ndarray:
    """`(N, 4)`: middle x, y of each object that the beams hit, and its extent along and across, m.

    Neighbouring beams belong together where their ends lie within 1.2 m, or within three spacings of beams far away.
    """
    hit = np.flatnonzero(ranges < LIDAR_REACH_M - 0.5)
    if not len(hit):
        return np.zeros((0, 4))
    x, y = ranges[hit] * np.cos(LIDAR_ANGLES[hit]), ranges[hit] * np.sin(LIDAR_ANGLES[hit])
    apart = np.hypot(np.diff(x), np.diff(y))
    most = np.maximum(_GAP_M, 3 * (LIDAR_ANGLES[1] - LIDAR_ANGLES[0]) * ranges[hit][1:])
    found = []
    for group in np.split(np.arange(len(hit)), np.flatnonzero((apart > most) | (np.diff(hit) > 3)) + 1):
        gx, gy = x[group], y[group]
        # A thing reaches half a beam further than the beams that hit it, on either side.
        beside = 0.5 * (LIDAR_ANGLES[1] - LIDAR_ANGLES[0]) * float(ranges[hit][group].mean())
        long, wide = float(np.ptp(gx)), float(np.ptp(gy)) + beside
        # A car shows its rear only: what is wide enough is taken to be as long as a car.
        centre_x, centre_y = (gx.min() + gx.max()) / 2, (gy.min() + gy.max()) / 2
        if wide > 1.0 and long < 4.0:
            centre_x, long = gx.min() + 2.2, 4.4
        elif long > 1.5 and wide < 1.6:  # and what is long is as wide as one
            side = math.copysign(0.9, centre_y)
            centre_y, wide = (gy[np.abs(gy).argmin()]) + side, 1.8
            centre_x, long = (centre_x, max(long, 4.4)) if long > 3.5 else (gx.min() + 2.2, 4.4)
        found.append((centre_x, centre_y, max(long, 0.6), max(wide, 0.6)))
    return np.array(found)


@final
@dataclass(slots=True)
class _Track:
    """State x, y, vx, vy in the frame of the car at this moment; velocities are over ground."""

    state: np.ndarray
    cov: np.ndarray
    size: np.ndarray
    hits: int = 1
    misses: int = 0


@final
@dataclass
class Tracker:
    """Objects over time: a constant-velocity Kalman filter for each, fed by lidar clusters and radar targets.

    A cluster or a target goes to the nearest track within 3 m (Kalman 1960; nearest-neighbour association, Bar-Shalom
    and Fortmann 1988). A track is told after two sightings and forgotten after 0.8 s without one. Radar gives a track
    its speed along the line of sight; targets without a track begin none, as half of them are false.
    """

    use_lidar: bool = True
    """Whether clusters begin and correct tracks; without them, radar targets do."""
    use_radar: bool = True
    """Whether radial speeds correct tracks."""
    tracks: list[_Track] = field(default_factory=list, init=False)

    def reset(self) -> None:
        """Forget everything."""
        self.tracks = []
        self._yaw_rate = 0.0

    def __call__(self, ranges: np.ndarray, targets: np.ndarray, speed: float, yaw_rate: float) -> list[dict[str, Any]]:
        """Objects that are believed in: x, y, vx, vy, length, width."""
        self._move(float(speed), float(yaw_rate))
        used: set[int] = set()
        if self.use_lidar:
            for cluster in lidar_clusters(np.asarray(ranges)):
                self._sighted(cluster[:2], cluster[2:], 0.25, used)
        if self.use_radar or not self.use_lidar:
            for distance, bearing, closing, there in np.asarray(targets):
                if there:
                    place = (distance + 1.0) * np.array([math.cos(bearing), math.sin(bearing)])
                    if not self.use_lidar:
                        self._sighted(place, np.array([4.4, 1.8]), 1.0, used)
                    if self.use_radar:
                        self._heard(place, bearing, closing + speed * math.cos(bearing))
        for number, track in enumerate(self.tracks):
            track.misses = 0 if number in used else track.misses + 1
        self.tracks = [track for track in self.tracks if track.misses <= _FORGET]
        return [
            {"x": float(t.state[0]), "y": float(t.state[1]), "vx": float(t.state[2]), "vy": float(t.state[3]),
             "length": float(t.size[0]), "width": float(t.size[1])}
            for t in self.tracks if t.hits >= _CONFIRM
        ]  # fmt: skip

    def _move(self, speed: float, yaw_rate: float) -> None:
        turn = -yaw_rate * STEP_S
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        both = np.kron(np.eye(2), rotation)
        forward = np.eye(4)
        forward[0, 2] = forward[1, 3] = STEP_S
        noise = np.diag([0.02, 0.02, 0.12, 0.12])
        for track in self.tracks:
            state = forward @ track.state
            state[0] -= speed * STEP_S
            track.state = both @ state
            track.cov = both @ (forward @ track.cov @ forward.T + noise) @ both.T

    def _sighted(self, place: np.ndarray, size: np.ndarray, noise: float, used: set[int]) -> None:
        gaps = [
            math.hypot(*(track.state[:2] - place)) if number not in used else math.inf
            for number, track in enumerate(self.tracks)
        ]
        best = int(np.argmin(gaps)) if gaps else -1
        if best < 0 or gaps[best] > _GATE_M:
            self.tracks.append(_Track(np.array([*place, 0.0, 0.0]), np.diag([noise, noise, 20.0, 4.0]), size.copy()))
            used.add(len(self.tracks) - 1)
            return
        track = self.tracks[best]
        used.add(best)
        track.hits += 1
        track.size = 0.7 * track.size + 0.3 * size
        observe = np.eye(2, 4)
        self._correct(track, observe, place, noise * np.eye(2))

    def _heard(self, place: np.ndarray, bearing: float, radial: float) -> None:
        gaps = [math.hypot(*(track.state[:2] - place)) for track in self.tracks]
        if gaps and min(gaps) < _GATE_M:
            track = self.tracks[int(np.argmin(gaps))]
            observe = np.array([[0.0, 0.0, math.cos(bearing), math.sin(bearing)]])
            if abs(radial - float((observe @ track.state)[0])) < 3 * math.sqrt(float(track.cov[2, 2]) + 0.2) + 1:
                self._correct(track, observe, np.array([radial]), np.array([[0.1]]))

    @staticmethod
    def _correct(track: _Track, observe: np.ndarray, value: np.ndarray, noise: np.ndarray) -> None:
        gain = track.cov @ observe.T @ np.linalg.inv(observe @ track.cov @ observe.T + noise)
        track.state = track.state + gain @ (value - observe @ track.state)
        track.cov = (np.eye(4) - gain @ observe) @ track.cov
