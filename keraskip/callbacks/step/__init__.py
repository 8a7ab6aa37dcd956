"""The floor that knows tensors: what the training step computes of gradients and weights."""
