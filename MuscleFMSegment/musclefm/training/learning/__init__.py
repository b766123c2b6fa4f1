"""Learning from the corrections of a store."""
