"""Networks: builders, the named zoo, the anatomy of a model, and weights for it."""
