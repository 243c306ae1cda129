"""What `steersman top` does: scrape, compare two scrapes, draw, listen to keys."""
