"""The page's sections, one per file; each is None where there is nothing to show."""
