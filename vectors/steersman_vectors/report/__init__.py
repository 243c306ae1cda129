"""A vector's report: one HTML page and one Markdown card, of what was measured and no more."""
