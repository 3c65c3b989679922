"""Pictures of data, of models and of results."""
