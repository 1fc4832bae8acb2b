//! Is another try worth it, and what may the server have done already?

use std::time::Duration;

/// Is the same call worth another try?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// No: it will fail again in the same way.
    Permanent,
    /// Yes, after a while.
    Transient,
    /// Yes, when the server has room again. It did nothing.
    Throttled,
}

/// What the server may have done before the failure was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Certainly nothing: repeating a write is safe.
    None,
    /// Possibly everything: repeat only what is harmless to repeat.
    Unknown,
}

/// The two facts a retry is decided on, and the server's own wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Is another try worth it?
    pub class: FaultClass,
    /// What may have happened already?
    pub effect: Effect,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// It will fail again, and nothing was done.
    pub const PERMANENT: Self = Self { class: FaultClass::Permanent, effect: Effect::None, retry_after: None };

    /// It may succeed later.
    pub const fn transient(effect: Effect) -> Self {
        Self { class: FaultClass::Transient, effect, retry_after: None }
    }

    /// The server turned it away unseen, and may have said for how long.
    pub const fn throttled(retry_after: Option<Duration>) -> Self {
        Self { class: FaultClass::Throttled, effect: Effect::None, retry_after }
    }
}
