"""A small simulated AWS whose truth is known."""
