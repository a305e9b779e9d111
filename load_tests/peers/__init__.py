"""Other ways to do the same work, with the same weights, on the same posts and broker."""
