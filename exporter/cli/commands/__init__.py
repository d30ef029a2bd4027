"""The commands, one module each; every one takes the values of its flags and returns an exit status."""
