"""Systems that were compared, as tables, JSON and a page."""
