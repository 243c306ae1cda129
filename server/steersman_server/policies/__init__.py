"""What operators have steered without being asked: defaults, profiles, rules."""
