"""The network to ship: its contract, its copies for inference, how its images are prepared."""
