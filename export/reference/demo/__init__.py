"""The demo's clip, and the people in it: staged in the synthetic world, with the truth of it."""
