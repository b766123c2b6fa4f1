"""The store of corrected cases."""
