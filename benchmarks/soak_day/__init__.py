"""Eight hours of a branch's calls in simulated time: does anything grow from hour to hour?"""

from benchmarks.soak_day import clock as clock  # first of all: the product takes the clock as it finds it
