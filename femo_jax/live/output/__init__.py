"""What recognition leaves behind: clips, logs, annotated images, JSON and csv."""
