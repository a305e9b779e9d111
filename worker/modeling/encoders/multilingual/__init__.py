"""Multilingual weights, cut down to one language's pieces, as the start of a classifier in that language."""
