//! SQL on a warehouse of one's choice, and the builder of queries.
