"""Claims of the papers on skip connections, measured again; `examples/claims.py` runs them."""
