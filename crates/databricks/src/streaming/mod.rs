//! Structured Streaming jobs: described here, run on Databricks.
