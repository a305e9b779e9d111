"""ELECTRA's replaced-token detection."""
