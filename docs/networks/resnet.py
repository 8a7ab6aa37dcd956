from pathlib import Path

import keraskip

# --8<-- [start:build]
print(*keraskip.list_models("resnet*"))
model = keraskip.build_resnet(56)
# --8<-- [end:build]
Path("anatomy.txt").write_text(str(keraskip.anatomy(model)), "utf-8")
