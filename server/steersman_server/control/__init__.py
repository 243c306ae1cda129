"""The control plane: what operators do, the same by command line and by admin API."""
