"""Who stands at a gate: made-up entrance frames, the ways from frame to person, and the system that measures them."""
