"""One rendering for all who wait: leases, waiters, results."""
