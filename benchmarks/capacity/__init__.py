"""How many calls at once one machine serves well: `python -m benchmarks.capacity`."""
