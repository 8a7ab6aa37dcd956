"""How often an answer goes over the whole record of a run: it must not depend on the network."""

import numpy as np
from made_runs import classifier, flat, run_of

from keraskip.analysis.causes import diagnose
from keraskip.analysis.learning import learning_of
from keraskip.analysis.verdicts import judge

# Today 66 passes, of about 2 ms each in a run of 5,000 steps and 332 weights.
MOST_PASSES = 90


class Counted(np.ndarray):
    """An array that counts the elements which numpy goes over."""

    elements = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        inputs = [each.view(np.ndarray) if isinstance(each, Counted) else each for each in inputs]
        Counted.elements += max(np.size(each) for each in inputs)
        if options.get("out"):
            options["out"] = tuple(each.view(np.ndarray) for each in options["out"])
        found = getattr(ufunc, method)(*inputs, **options)
        return found.view(Counted) if isinstance(found, np.ndarray) else found


def passes(steps, layers):
    """How often all elements of a statistic are gone over, in judging and diagnosing a run."""
    sizes = 10 ** np.random.default_rng(0).normal(-2, 0.2, (steps, 2 * layers))
    run = run_of(flat(steps), layers=layers, info=classifier(), grad_norm=sizes)
    for name, values in run.statistics.items():
        run.statistics[name] = values.view(Counted)
    Counted.elements = 0
    diagnose(run, judge(run), learning_of(run))
    return Counted.elements / (steps * 2 * layers)


def test_the_record_is_gone_over_a_few_times_however_long_or_deep_it_is():
    """A rule that reads all steps once for each layer would be a pass for each of 40 layers."""
    found = [passes(2000, 20), passes(4000, 20), passes(2000, 40)]
    assert max(found) < MOST_PASSES
    assert max(found) < 1.2 * min(found)
