"""The models, layer by layer, and what a trained one gives to another."""
