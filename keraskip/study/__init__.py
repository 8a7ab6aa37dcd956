"""Studies: lists of trials that differ in one thing, trained alike, each into its run folder."""

from keraskip.study.launchers import Progress as Progress
from keraskip.study.launchers import on_ray as on_ray
from keraskip.study.launchers import one_after_the_other as one_after_the_other
from keraskip.study.launchers import side_by_side as side_by_side
from keraskip.study.recipes import recipe_of as recipe_of
from keraskip.study.running import TrialsFailed as TrialsFailed
from keraskip.study.running import check_study as check_study
from keraskip.study.running import run_study as run_study
from keraskip.study.studies import STUDIES as STUDIES
from keraskip.study.studies import named_study as named_study
from keraskip.study.trial import Trial as Trial
