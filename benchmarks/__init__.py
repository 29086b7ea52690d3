"""Side-by-side measurements; each folder has its command, README.md the last results."""
