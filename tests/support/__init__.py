"""What the tests share: programs, clocks, servers and answers."""
