"""What can be seen of an answer without running a model: on live traffic, and in sweeps."""
