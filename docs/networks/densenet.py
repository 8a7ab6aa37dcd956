import keraskip

model = keraskip.build_densenet(100, growth_rate=12, bottleneck=True, compression=0.5)
print(keraskip.anatomy(model))
