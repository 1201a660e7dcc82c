"""What the pieces cost, measured: ``python -m benchmarks``."""
