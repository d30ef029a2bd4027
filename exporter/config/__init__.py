"""The configuration file as frozen, validated values. The code that uses a value is in other packages."""
