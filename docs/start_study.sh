cp "$(dirname "$0")"/../examples/report.png zoo.png
exec >study.txt 2>&1
# --8<-- [start:study]
keraskip compare --depths 20 --epochs 1 --seeds 0
# --8<-- [end:study]
exec >shows.txt 2>&1
# --8<-- [start:report]
keraskip report runs/vanishing/*/ --out study.svg
# --8<-- [end:report]
