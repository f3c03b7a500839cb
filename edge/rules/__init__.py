"""Rules: zones, schedules and cooldowns that turn what is seen into alerts."""
