for network in plain56 resnet56 preact_resnet110 densenet_bc100_k12; do
    keraskip describe "$network" >"$network.txt" || { keraskip list; exit 1; }
done
