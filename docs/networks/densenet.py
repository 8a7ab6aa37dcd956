from pathlib import Path

import keraskip

# --8<-- [start:build]
print(*keraskip.list_models("densenet*"))
model = keraskip.build_densenet(100, growth_rate=12, bottleneck=True, compression=0.5)
# --8<-- [end:build]
Path("anatomy.txt").write_text(str(keraskip.anatomy(model)), "utf-8")
