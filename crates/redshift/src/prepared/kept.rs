//! What a session has prepared, under which names.

use std::sync::{Arc, Weak};

use super::Definition;

/// How many statements a session keeps; the one that was not used for longest goes first.
const MOST: usize = 64;

/// The statements that one session keeps on its server.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The latest used last.
    entries: Vec<Entry>,
    /// Names that the server still holds and nobody will use again.
    stale: Vec<Arc<str>>,
    named: u64,
}

#[derive(Debug)]
struct Entry {
    definition: Weak<Definition>,
    types: Vec<u32>,
    name: Arc<str>,
    formats: Vec<i16>,
}

impl Kept {
    /// The name under which the server has the statement with parameters of these types.
    pub(crate) fn find(&mut self, definition: &Arc<Definition>, types: &[u32]) -> Option<Arc<str>> {
        let known =
            |entry: &Entry| std::ptr::eq(entry.definition.as_ptr(), Arc::as_ptr(definition)) && entry.types == types;
        let entry = self.entries.remove(self.entries.iter().position(known)?);
        let name = entry.name.clone();
        self.entries.push(entry);
        Some(name)
    }

    /// A name that this session never used.
    pub(crate) fn new_name(&mut self) -> Arc<str> {
        self.named += 1;
        format!("twinhouse_{}", self.named).into()
    }

    /// Notes that the server has it.
    pub(crate) fn keep(&mut self, definition: &Arc<Definition>, types: &[u32], name: &Arc<str>, formats: Vec<i16>) {
        if self.entries.len() >= MOST {
            self.stale.push(self.entries.remove(0).name);
        }
        let definition = Arc::downgrade(definition);
        self.entries.push(Entry { definition, types: types.to_vec(), name: name.clone(), formats });
    }

    /// In which formats the columns of its rows are asked for.
    pub(crate) fn formats(&self, name: &str) -> Vec<i16> {
        let entry = self.entries.iter().find(|entry| &*entry.name == name);
        entry.map(|entry| entry.formats.clone()).unwrap_or_default()
    }

    pub(crate) fn forget(&mut self, name: &Arc<str>) {
        self.stale.push(name.clone());
    }

    /// What the server has may not be what it was.
    pub(crate) fn forget_all(&mut self) {
        self.stale.extend(self.entries.drain(..).map(|entry| entry.name));
    }

    /// The names to close on the server, those of statements that were let go among them.
    pub(crate) fn take_stale(&mut self) -> Vec<Arc<str>> {
        self.stale
            .extend(self.entries.extract_if(.., |entry| entry.definition.strong_count() == 0).map(|entry| entry.name));
        std::mem::take(&mut self.stale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Arc<Definition> {
        Arc::new(Definition::of("select :a", &[]).unwrap())
    }

    #[test]
    fn one_statement_has_one_name_for_each_set_of_types() {
        let (mut kept, one, other) = (Kept::default(), definition(), definition());
        assert_eq!(kept.find(&one, &[23]), None);
        let name = kept.new_name();
        kept.keep(&one, &[23], &name, vec![1]);
        assert_eq!(kept.find(&one, &[23]), Some(name.clone()));
        assert_eq!((kept.find(&one, &[20]), kept.find(&other, &[23])), (None, None));
        assert_eq!(kept.formats(&name), [1]);
        assert_ne!(kept.new_name(), name);
    }

    #[test]
    fn what_was_let_go_evicted_or_made_stale_is_closed_once() {
        let mut kept = Kept::default();
        let all: Vec<_> = (0..=MOST).map(|_| definition()).collect();
        for definition in &all {
            let name = kept.new_name();
            kept.keep(definition, &[], &name, Vec::new());
            kept.find(&all[0], &[]);
        }
        assert_eq!(kept.take_stale(), [Arc::from("twinhouse_2")], "the first was used again and again");
        drop(all);
        assert_eq!(kept.take_stale().len(), MOST);
        let survivor = definition();
        let name = kept.new_name();
        kept.keep(&survivor, &[], &name, Vec::new());
        kept.forget_all();
        assert_eq!(kept.find(&survivor, &[]), None);
        assert_eq!(kept.take_stale(), [name]);
        assert!(kept.take_stale().is_empty());
    }
}
