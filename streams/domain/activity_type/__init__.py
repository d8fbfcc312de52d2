"""Activity types: what workers say of the work that they do."""
