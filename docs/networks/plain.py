from pathlib import Path

import keraskip

# --8<-- [start:build]
print(*keraskip.list_models("plain*"))
model = keraskip.build_plain(56)
# --8<-- [end:build]
Path("anatomy.txt").write_text(str(keraskip.anatomy(model)), "utf-8")
