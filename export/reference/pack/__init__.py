"""From trained recipes to the bundles that ship with the package."""
