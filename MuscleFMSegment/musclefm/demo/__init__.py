"""Rendered cases, and the shipped ensemble trained and evaluated on them."""
