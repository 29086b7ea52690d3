"""Tests against real services; run by make test-integration."""
