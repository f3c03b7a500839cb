"""Operations: what a device's service manager and operator see."""
