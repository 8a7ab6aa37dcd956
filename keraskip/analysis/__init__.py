"""From runs to verdicts: profiles over depth, their slopes with intervals, groups and contrasts.

Two signals are read from the gradients of the weights. The gradient of a bias (or of a
normalisation's beta) is the gradient of the loss with respect to that layer's output, summed over
positions. It is called the *backward signal*, and it vanishes or explodes on its way down. The
gradient of a *kernel* is the backward signal times the layer's input, and can look healthy where
the backward signal is gone. Layers differ in size, so both signals are compared as root mean
squares, RMS = norm / sqrt(elements).
"""
