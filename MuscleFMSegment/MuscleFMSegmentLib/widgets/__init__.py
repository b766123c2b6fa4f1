"""What the reader sees: one panel a concern, each with its own file of Qt Designer."""
