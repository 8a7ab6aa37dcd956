# --8<-- [start:study]
cat > my_study.py <<'END'
from keraskip.study import Trial

trials = [
    Trial("plain8", "plain", {"depth": 8}, epochs=1),
    Trial("resnet8", "resnet", {"depth": 8}, epochs=1),
]
END
# --8<-- [end:study]

# The first machine of the cluster. It ends with this script.
ray start --head --block --port=6391 --node-ip-address=127.0.0.1 --num-cpus=2 \
    --include-dashboard=false --disable-usage-stats > ray.log 2>&1 &
trap 'kill $!; wait' EXIT
for second in $(seq 60); do
    python -c 'import socket; socket.create_connection(("127.0.0.1", 6391))' 2> no.log && break
    sleep 1
done

# --8<-- [start:compare]
keraskip compare --study my_study.py --ray 127.0.0.1:6391 --out runs
# --8<-- [end:compare]
