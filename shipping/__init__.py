"""What is deployed: `python -m shipping` makes the functions' deployment packages out of locked wheels."""
