"""Renders MR of thighs from label maps or random anatomies."""
