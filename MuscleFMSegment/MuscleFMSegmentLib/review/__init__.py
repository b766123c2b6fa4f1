"""An open case: autosave, resuming, saving."""
