"""Tests of the state file: restarts, crashes, damage and failing disks."""
