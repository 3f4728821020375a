"""Angles for longspan; importing the package registers everything."""

from longspan_compass.angle import Angle
from longspan_compass.compass_net import CompassNet
from longspan_compass.find_north import FIND_NORTH
from longspan_compass.needles import NEEDLES
from longspan_compass.regress_angle import RegressAngle

__all__ = ["FIND_NORTH", "NEEDLES", "Angle", "CompassNet", "RegressAngle"]
