"""The demo's intent classifier: its data, how it is trained, and the page about it."""
