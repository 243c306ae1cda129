"""How well answers are judged: on over-steered answers of the demo model, and on labelled texts."""
