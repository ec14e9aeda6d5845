"""TensorFlow Datasets' builder of FER-2013. Importing it imports no TensorFlow; `fer2013_dataset_builder` does."""
