"""Images and their geometry."""
