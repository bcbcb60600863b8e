"""Draw each root request and run the methods."""
