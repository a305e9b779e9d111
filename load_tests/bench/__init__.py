"""Traffic of a known shape against a real worker on a real Kafka, and what became of every post."""
