"""Events: typed payloads, CloudEvents JSON and the schemas made from them."""
