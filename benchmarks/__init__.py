"""Measurements, each side by side with what it is compared to; run them by ``make bench``."""
