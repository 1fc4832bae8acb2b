"""What the tasks of the sandbox find when they run."""
