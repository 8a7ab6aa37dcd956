"""What watches training: the gradient recorder."""
