import keraskip

model = keraskip.build_resnet(56)
print(keraskip.anatomy(model))
