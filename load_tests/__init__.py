"""Load runs against a real Kafka: what must hold under crashes is proved from the broker's log, not from counters."""
