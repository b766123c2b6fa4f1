"""``musclefm models``, and its action that downloads."""
