"""Tests; a package, so that its parts can import each other by their full names."""
