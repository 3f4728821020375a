"""Named recordings, and speech made by a synthesizer."""
