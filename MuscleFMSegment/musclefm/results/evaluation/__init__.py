"""What was measured of a cohort, as tables, JSON and a page."""
