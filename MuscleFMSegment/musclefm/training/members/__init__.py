"""Members of an ensemble, one after another or side by side."""
