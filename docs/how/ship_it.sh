cat > train.py <<'END'
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from keraskip.study import Trial, run_study

run_study([Trial("resnet8", "resnet", {"depth": 8}, epochs=1)], "runs")
digit = load_digits().images[42]
Image.fromarray((digit * 255 / 16).astype(np.uint8)).save("digit.png")
END
python train.py > train.log 2>&1

# --8<-- [start:export]
keraskip export runs/resnet8/model.keras digits --signature encoded
# --8<-- [end:export]
# --8<-- [start:check]
keraskip check digits --against runs/resnet8/model.keras
# --8<-- [end:check]
# --8<-- [start:predict]
keraskip predict digits digit.png
# --8<-- [end:predict]
