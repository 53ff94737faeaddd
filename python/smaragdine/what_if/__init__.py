"""What if: a run at other places, on other hardware, at other hours, with other layers. Pure functions.

from smaragdine.what_if import Profile, rescale, emissions

profile = Profile.read("bert.json")
emissions(profile.kwh, 23.7, pue=1.2)                       # grams in Vermont
rescale(1.5, [(1, 250, 11.34e12)], [(1, 250, 13.45e12)])    # GTX 1080 Ti → RTX 2080 Ti
"""

from smaragdine.what_if.carbon import emissions
from smaragdine.what_if.course import Course
from smaragdine.what_if.hours import Curve, Shifted, best_window, shift
from smaragdine.what_if.layers import Estimate, early_exit, halved, shared, without
from smaragdine.what_if.line import Line, Predicted, extrapolate
from smaragdine.what_if.part import Part
from smaragdine.what_if.parts import find
from smaragdine.what_if.point import Point
from smaragdine.what_if.profile import Profile
from smaragdine.what_if.rescaling import Ratio, rescale
from smaragdine.what_if.scenario import Scenario
from smaragdine.what_if.speed import Speed
from smaragdine.what_if.work import Layers, Work, work_of

__all__ = [
    "Course",
    "Curve",
    "Estimate",
    "Layers",
    "Line",
    "Part",
    "Point",
    "Predicted",
    "Profile",
    "Ratio",
    "Scenario",
    "Shifted",
    "Speed",
    "Work",
    "best_window",
    "early_exit",
    "emissions",
    "extrapolate",
    "find",
    "halved",
    "rescale",
    "shared",
    "shift",
    "without",
    "work_of",
]
