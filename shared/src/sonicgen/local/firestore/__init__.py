"""Firestore for one machine: a gRPC server that the real google-cloud-firestore clients talk to."""
