"""How a vector was made, so that it can be made again."""
