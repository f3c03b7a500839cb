"""The graph of a model: looked at, folded, freed of its batch, and made ready to be shipped."""
