"""The long measurements, one command each, and what puts their records under results/ and into the README."""
