"""What a trained model makes of data, as arrays and as numbers."""
