"""All that is held against a reference: a case, a cohort, two models."""
