"""The site file: its sections, the values they hold, and how its problems are told."""
