//! What a user sees while something takes long.

/// Takes lines about what goes on.
pub trait Progress: Sync {
    /// Something is done; the line stays.
    fn step(&self, text: &str);
    /// Something goes on; the line is replaced by the next one.
    fn update(&self, text: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}
    fn update(&self, _: &str) {}
}
