"""Cases of a cohort against their references: each one, and their means over subjects."""
