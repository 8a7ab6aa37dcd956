"""From runs to verdicts: profiles over depth, their slopes with intervals, groups and contrasts.

Two signals are read from the gradients of the weights. The gradient of a bias (or of a
normalisation's beta) is the gradient of the loss with respect to that layer's output, summed over
positions. It is called the *backward signal*, and it vanishes or explodes on its way down. The
gradient of a *kernel* is the backward signal times the layer's input, and can look healthy where
the backward signal is gone. Layers differ in size, so both signals are compared as root mean
squares, RMS = norm / sqrt(elements).
"""

from keraskip.analysis.contrasts import Degradation, Effect, degradations, effects
from keraskip.analysis.estimates import Estimate, fall, mean
from keraskip.analysis.groups import Group, grouped
from keraskip.analysis.lines import line_of
from keraskip.analysis.moments import Moment, early_profiles, moments, profiles_at
from keraskip.analysis.profiles import SIGNALS, SMALLEST, profile
from keraskip.analysis.seeds import judge_together
from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.verdicts import RULES, Verdict, judge
from keraskip.analysis.windows import early_steps, late_steps

__all__ = [
    "HEALTHY_ORDERS",
    "RULES",
    "SIGNALS",
    "SMALLEST",
    "Degradation",
    "Effect",
    "Estimate",
    "Group",
    "Moment",
    "Verdict",
    "degradations",
    "early_profiles",
    "early_steps",
    "effects",
    "fall",
    "grouped",
    "judge",
    "judge_together",
    "late_steps",
    "line_of",
    "mean",
    "moments",
    "profile",
    "profiles_at",
]
