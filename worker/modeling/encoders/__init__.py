"""Encoders to start from: read from elsewhere, cut, factorised."""
