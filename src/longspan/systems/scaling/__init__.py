"""One training in several processes: what it saves here, whether its bits stay, what more machines would give."""
