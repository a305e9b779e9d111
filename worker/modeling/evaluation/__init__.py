"""How good a bundle is: scores on the serving path, metrics, floors, reports, thresholds."""
