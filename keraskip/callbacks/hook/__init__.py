"""The floor that knows Keras: the callback, where it hooks into the training step, the probe."""
