"""What a copy costs at the stores' list prices, estimated from what was listed. Asks nobody, prints nothing."""
