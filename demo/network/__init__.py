"""A deeper world: paths of packets over interfaces, and who held an address when."""
