"""Do the dashboard and the rules show anything? Asked of a real Prometheus that scrapes a real worker."""
