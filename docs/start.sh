ln -sfn "$(dirname "$0")/../examples" examples
cp examples/report.png zoo.png
# --8<-- [start:record]
keraskip record examples/stalling_script.py --epochs 8
# --8<-- [end:record]
