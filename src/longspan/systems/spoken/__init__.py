"""Reading spoken numbers: strategies and the study."""
