"""FER-2013 from the forms in which people have it to batches of uint8 pictures."""
