"""Sources of frames: files and cameras."""
