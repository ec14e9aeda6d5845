"""What recognition leaves behind: clips, logs, annotated pictures, JSON and csv."""
