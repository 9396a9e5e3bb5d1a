"""House style for every figure and table."""
