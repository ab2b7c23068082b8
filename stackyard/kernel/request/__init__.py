"""From a request to its answer: the edge, the chain and what its stages do."""
