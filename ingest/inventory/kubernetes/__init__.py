"""What a Kubernetes cluster says of its addresses: pods, nodes, services."""
