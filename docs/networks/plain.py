import keraskip

model = keraskip.build_plain(56)
print(keraskip.anatomy(model))
