"""Downloading, checking, unpacking and caching data sets."""
