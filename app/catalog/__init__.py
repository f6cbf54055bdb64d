"""What there is: datasets, their columns, files and manifests."""
