"""What is in a file: a kind for each, how to recognise it, and what to say of it."""
