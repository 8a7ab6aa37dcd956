mkdir examples
cp "$(dirname "$0")"/../examples/*.py examples
exec >stalls.txt 2>&1
# --8<-- [start:record]
keraskip record examples/stalling_script.py --epochs 8
# --8<-- [end:record]

# As a reader types it.
cp examples/stalling_script.py before.py
sed -i -f - examples/stalling_script.py <<'TYPED'
/layers.Dense(64, "sigmoid")/c\
        layer = layers.Dense(64, "relu", kernel_initializer="he_normal")\
        x = x + keras.layers.BatchNormalization(momentum=0.9)(layer(x))
TYPED
diff -U1 before.py examples/stalling_script.py | tail -n +4 >remedy.diff || true # 1: they differ

exec >learns.txt 2>&1
keraskip record examples/stalling_script.py --epochs 8
