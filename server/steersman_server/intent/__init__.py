"""What the latest user turn is about: billing, delivery, safety, or whatever was trained."""
