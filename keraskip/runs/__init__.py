"""The run folder: the record of one training run on disk, written and read without Keras.

A run folder holds two files:

`run.json`
    The provenance of the run (command, versions, seed, device, git commit), its status, the table
    of recorded weights and the log of each epoch. Replaced as a whole, so never half-written.
`steps.arrow`
    An Arrow IPC stream with one row per training step: the step's number, the scalars of the step,
    such as the scale of the loss, and, per statistic, one float32 for each recorded weight. Only
    ever appended to, so a killed run stays readable up to the last rows that were flushed.
"""

from keraskip.runs.fact_checks import check_facts
from keraskip.runs.folders import (
    claimed,
    find_runs,
    kept_epochs,
    opened,
    release,
    runs_beside,
)
from keraskip.runs.holding import Hold
from keraskip.runs.info import INFO_FILE, SCHEMA_VERSION, STEPS_FILE, epoch_row, read_info
from keraskip.runs.parts import parts_of
from keraskip.runs.reading import load_run
from keraskip.runs.run import Run
from keraskip.runs.writer import RunWriter

__all__ = [
    "INFO_FILE",
    "SCHEMA_VERSION",
    "STEPS_FILE",
    "Hold",
    "Run",
    "RunWriter",
    "check_facts",
    "claimed",
    "epoch_row",
    "find_runs",
    "kept_epochs",
    "load_run",
    "opened",
    "parts_of",
    "read_info",
    "release",
    "runs_beside",
]
