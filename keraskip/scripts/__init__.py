"""Foreign training code, run as it is with every `fit` recorded: scripts, modules, cells."""
