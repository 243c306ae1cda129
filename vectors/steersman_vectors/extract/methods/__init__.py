"""Directions out of states: one method per file, of one contract."""
