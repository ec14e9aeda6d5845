"""TensorFlow Datasets' builder of labelled images of one's own; `labelled_faces_dataset_builder` imports TensorFlow."""
