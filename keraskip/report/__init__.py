"""Comparisons of runs: findings in words, tables, and reports to open or to print."""

from keraskip.report.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
