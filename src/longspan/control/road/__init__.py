"""A made-up road: a car among others, seen by a camera, a lidar and a radar, with the ground truth of everything."""

from __future__ import annotations

from longspan.control.road.environment import RoadEnvironment, make_road
from longspan.control.road.world import RoadConfig, RoadWorld

__all__ = ["RoadConfig", "RoadEnvironment", "RoadWorld", "make_road"]
