"""What can be seen of an answer's quality without running a model: used on live traffic, in sweeps."""
