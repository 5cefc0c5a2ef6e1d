//! One suite of Kubernetes API behaviour for the sandbox and for a real API server.
