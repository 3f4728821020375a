"""What training would know of held-out rows: found before the first step."""
