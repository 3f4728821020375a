"""Reading handwritten numbers: strategies, quickstart and the full study."""
