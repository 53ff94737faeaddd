"""Generated protocol types: see `protos/generate.sh`."""
