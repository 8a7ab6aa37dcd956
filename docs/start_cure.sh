mkdir examples
cp "$(dirname "$0")"/../examples/*.py examples
exec >trains.txt 2>&1
# --8<-- [start:cure]
python examples/cure_your_own_model.py
# --8<-- [end:cure]
exec >shows.txt 2>&1
# --8<-- [start:report]
keraskip report runs/cure/plain runs/cure/with_skips --out cure.svg
# --8<-- [end:report]
