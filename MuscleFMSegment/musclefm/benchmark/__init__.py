"""The comparison of Casali et al. 2025: several systems, trained and tested on the same cases."""
