"""The plug is pulled on trainings, many times."""
