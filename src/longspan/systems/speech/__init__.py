"""From recordings of read speech to transcripts: stages, strategies and the study."""
