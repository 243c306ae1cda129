"""Vectors from pairs: states read off the residual stream, and directions found in them."""
