"""Many short runs beside each other: what to vary, and the table in the end."""
