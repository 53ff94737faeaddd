"""The daemon: started or reached, and talked to. gRPC stops here."""
