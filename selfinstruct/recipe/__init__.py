"""Read and resolve the settings of a run."""
