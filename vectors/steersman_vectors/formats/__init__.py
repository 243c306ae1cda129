"""Vector files: each format in a file of its own, all of them read without running any code."""
