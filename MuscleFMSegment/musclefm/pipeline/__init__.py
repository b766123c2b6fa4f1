"""Whole cases and worklists, from files to results."""
