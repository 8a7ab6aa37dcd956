ln -sfn "$(dirname "$0")/../examples" examples
# --8<-- [start:cure]
python examples/cure_your_own_model.py runs/cure
keraskip report runs/cure/plain runs/cure/with_skips --out cure.svg
# --8<-- [end:cure]
