"""What the shipped reference models are worth, on people and scenes that nothing was made with."""
