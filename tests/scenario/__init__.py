"""Stories: whole calls in text, from the caller's words to the bank's state."""
