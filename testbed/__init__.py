"""What tests and experiments stand on: hardware that is missing here, traces made by construction, a browser."""
