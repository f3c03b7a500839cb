"""From a picture to detections, aligned crops, qualities and embeddings."""
