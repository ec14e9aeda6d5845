"""FER-2013, from every form in which it is distributed, to batches of uint8 images."""
