//! Who hears what the server says beside its answers.

use std::{fmt, sync::Arc};

use crate::wire::Notice;

/// A function that is handed every notice.
#[derive(Clone)]
pub(crate) struct NoticeHandler(Arc<dyn Fn(&Notice) + Send + Sync>);

impl NoticeHandler {
    pub(crate) fn new(handler: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn hear(&self, notice: &Notice) {
        (self.0)(notice);
    }
}

impl fmt::Debug for NoticeHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoticeHandler")
    }
}
