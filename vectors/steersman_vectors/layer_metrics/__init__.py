"""What the states say about a direction, layer by layer, before anybody steers with it."""
