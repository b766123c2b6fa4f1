"""Commands that hold something against references."""
