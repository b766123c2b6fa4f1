"""``musclefm corrections``, and its action that takes the most options."""
