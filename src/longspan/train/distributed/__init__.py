"""One training in several processes: who takes which rows, how gradients are put together, what all must agree on."""
