//! A page being filled: up to a number of resources, and up to a number of bytes of them.
//!
//! The first resource always has room, so that every page goes on; what is refused comes next.

/// The room of a page.
#[derive(Debug, Clone)]
pub struct Filling {
    count_left: usize,
    bytes_left: usize,
    is_begun: bool,
    /// Whether one had no room by its bytes.
    is_over: bool,
}

impl Filling {
    /// An empty page.
    pub fn new(count_max: usize, bytes_max: usize) -> Self {
        Self {
            count_left: count_max,
            bytes_left: bytes_max,
            is_begun: false,
            is_over: false,
        }
    }

    /// What room is left for others, of which a page may show none.
    #[must_use]
    pub fn go_on(&self, count_max: usize) -> Self {
        Self {
            count_left: count_max,
            ..self.clone()
        }
    }

    /// Whether a resource of so many bytes has room, which it then takes. Once one has none,
    /// nothing has.
    pub fn admits(&mut self, bytes: usize) -> bool {
        if self.count_left == 0 {
            return false;
        }
        self.is_over |= self.is_begun && bytes > self.bytes_left;
        if self.is_over {
            return false;
        }
        self.is_begun = true;
        self.count_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        true
    }

    /// How many bytes still have room.
    pub fn bytes_left(&self) -> usize {
        self.bytes_left
    }
}

#[cfg(test)]
mod tests {
    use super::Filling;

    #[test]
    fn the_first_has_room_and_then_what_fits() {
        let mut page = Filling::new(9, 10);
        assert!(page.admits(50));
        assert!(!page.admits(1));
        let mut page = Filling::new(9, 10);
        assert!(page.admits(4) && page.admits(6));
        assert!(!page.admits(1));
        assert!(!page.admits(0), "what comes behind keeps its order");
        let mut page = Filling::new(2, 10);
        assert!(page.admits(1) && page.admits(1));
        assert!(!page.admits(1));
        let mut rest = page.go_on(5);
        assert!(rest.admits(8) && !rest.admits(1));
        assert!(!rest.go_on(5).admits(0), "a full page stays full");
        let mut begun = Filling::new(1, 10);
        assert!(begun.admits(9));
        let mut rest = begun.go_on(5);
        assert!(rest.admits(1) && !rest.admits(1));
    }
}
