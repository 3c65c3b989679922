"""Unsupervised learning of video representations using LSTMs."""
