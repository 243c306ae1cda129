"""From a vector to a dial: layers and alphas that hold under gates, with their evidence."""
