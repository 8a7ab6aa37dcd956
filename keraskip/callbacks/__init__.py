"""The gradient recorder, in three floors: hook, step and book."""
