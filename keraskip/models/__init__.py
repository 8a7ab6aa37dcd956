"""Networks: builders, the named zoo, what a model is made of, and weights for it."""
