"""Events to an MQTT broker: out of the outbox, in order, until each is acknowledged."""
