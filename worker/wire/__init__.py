"""Bytes on the wire and core types: decoding posts, encoding verdicts and dead letters, by the published schemas."""
