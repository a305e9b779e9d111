"""Kafka behind the ports: source, sink, and what is known of the cluster. aiokafka lives here alone."""
