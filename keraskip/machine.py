"""What this process may use of the machine."""


def processors() -> int:
    """How many processors, by affinity and by the quota of a container.

    joblib reads both, of control groups 1 and 2; it comes with scikit-learn.
    """
    from joblib import cpu_count  # takes a tenth of a second

    return int(cpu_count())
