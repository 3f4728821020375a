"""Trained models behind an address: a web page and an API for each."""
