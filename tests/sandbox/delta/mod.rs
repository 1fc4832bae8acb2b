//! Delta tables on the sandbox: every statement of the `delta` crate against a real engine.
