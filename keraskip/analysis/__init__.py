"""From runs to answers: the signal, whether the network learns, and what is wrong if it does not.

Two signals are read from the gradients of the weights. The gradient of a bias (or of a
normalisation's beta) is the gradient of the loss with respect to that layer's output, summed over
positions. It is called the *backward signal*, and it vanishes or explodes on its way down. The
gradient of a *kernel* is the backward signal times the layer's input, and can look healthy where
the backward signal is gone. Layers differ in size, so both signals are compared as root mean
squares, RMS = norm / sqrt(elements).
"""

from keraskip.analysis.causes import CAUSES, diagnose
from keraskip.analysis.contrasts import Degradation, Effect, degradations, effects
from keraskip.analysis.estimates import Estimate, fall, mean
from keraskip.analysis.finding import Finding
from keraskip.analysis.groups import grouped
from keraskip.analysis.learning import LEARNING_RULES, Learning, learning_of
from keraskip.analysis.lines import line_of
from keraskip.analysis.moments import Moment, early_profiles, moments, profiles_at
from keraskip.analysis.profiles import SIGNALS, SMALLEST, profile
from keraskip.analysis.shapes import HEALTHY_ORDERS
from keraskip.analysis.verdicts import RULES, Group, Verdict, judge, judge_together
from keraskip.analysis.windows import early_steps, late_steps

__all__ = [
    "CAUSES",
    "HEALTHY_ORDERS",
    "LEARNING_RULES",
    "RULES",
    "SIGNALS",
    "SMALLEST",
    "Degradation",
    "Effect",
    "Estimate",
    "Finding",
    "Group",
    "Learning",
    "Moment",
    "Verdict",
    "degradations",
    "diagnose",
    "early_profiles",
    "early_steps",
    "effects",
    "fall",
    "grouped",
    "judge",
    "judge_together",
    "late_steps",
    "learning_of",
    "line_of",
    "mean",
    "moments",
    "profile",
    "profiles_at",
]
