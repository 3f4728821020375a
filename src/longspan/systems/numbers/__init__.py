"""Reading handwritten numbers: the strategies, and the quickstart."""
