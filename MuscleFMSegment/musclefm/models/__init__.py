"""Bundles and their files, the user's collection of them, versions, downloads."""
