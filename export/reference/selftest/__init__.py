"""The self-test's material: a short clip staged in the synthetic world, and all that it needs."""
