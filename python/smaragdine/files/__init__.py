"""Reading and writing files that others may have prepared: regular, ours, and on a file system that keeps."""
