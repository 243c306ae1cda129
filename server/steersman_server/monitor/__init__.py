"""What steering did to traffic: a line per decision, and counters."""
