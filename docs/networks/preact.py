from pathlib import Path

import keraskip

# --8<-- [start:build]
print(*keraskip.list_models("preact_*"))
model = keraskip.build_resnet(110, variant="preact")
# --8<-- [end:build]
Path("anatomy.txt").write_text(str(keraskip.anatomy(model)), "utf-8")
