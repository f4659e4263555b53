"""What the commands need of a fleet, by whichever way they reach it."""
