"""Redis: the shared flight store, the rate limit, and what happens when it is away."""
