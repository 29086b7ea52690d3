"""What the media path costs: our gateway beside the bare minimum in Python and in C."""
