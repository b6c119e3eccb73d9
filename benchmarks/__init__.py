"""Benchmarks: real programs on loopback, compared side by side in one run.

python -m benchmarks.request_path    a preview that exists, a miss and its parts, memory at rest
python -m benchmarks.flights         many waiters for one preview, against the reference implementation and the limit
python -m benchmarks.far             misses and bursts where S3 is far away, beside handlers of Node
python -m benchmarks.unit_costs      what one miss costs each part, from which benchmarks.capacity computes fleets

Machines differ and are noisy, so rounds alternate between what is compared, and ratios are what to keep.
"""
