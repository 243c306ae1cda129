"""Contrasting examples: what a vector is to tell apart."""
