"""Media: pictures and video, read and written."""
