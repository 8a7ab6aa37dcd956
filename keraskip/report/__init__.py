"""Comparisons of runs: findings in words, tables, and reports to open or to print."""
