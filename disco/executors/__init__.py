"""Where many pieces of work run: in this process, in local workers, on a cluster."""
