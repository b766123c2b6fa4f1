"""Whole files and folders or none, locks, where the user's data lies."""
