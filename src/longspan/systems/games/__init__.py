"""Games, learned by playing."""
