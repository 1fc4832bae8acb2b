//! How a sandbox lives and ends: a thread and a runtime of its own, a folder of its own, and a janitor for the day
//! when nobody says goodbye.

mod folder;
mod home;
mod janitor;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    folder::{DataFolder, private_folder, public_folder},
    home::Home,
    janitor::{Janitor, watch},
};
