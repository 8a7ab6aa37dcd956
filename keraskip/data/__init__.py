"""Loads data sets by name, and makes batches of them."""

from keraskip.data.loading import load_data as load_data
from keraskip.data.parts import Dataset as Dataset
from keraskip.data.parts import Part as Part
