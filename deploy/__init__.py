"""What runs beside the worker: see the READMEs of the folders."""
