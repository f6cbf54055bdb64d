"""Safe views: a projection of a dataset as data (columns, row filter, redactions), compiled for both engines."""
