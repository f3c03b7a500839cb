"""What keeps the daemon in sight: health, systemd, metrics, the control socket, logs, the lock."""
