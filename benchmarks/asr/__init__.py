"""Word error rate and processor time of the recognition engines on recordings of one's own."""
