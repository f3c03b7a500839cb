"""What the product promises, measured on the synthetic world, where the truth is known."""
