"""Side-by-side measurements in one run, and beside each the floor that the arithmetic sets."""
