here=$(dirname "$0")
# --8<-- [start:first]
keraskip record "$here/stalling.py"
# --8<-- [end:first]
