"""The configuration file as frozen, validated values."""
