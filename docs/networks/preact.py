import keraskip

model = keraskip.build_resnet(110, variant="preact")
print(keraskip.anatomy(model))
