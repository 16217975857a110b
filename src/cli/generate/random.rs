//! A small generator of pseudo-random numbers that gives the same stream on every machine.
//!
//! `SplitMix64` with integer arithmetic only: no floating point, whose library functions differ
//! between platforms. For data that looks alive, never for secrets.

/// One stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The stream of that number under a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self {
            state: seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03),
        };
        random.state = random.next();
        random
    }

    /// 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Evenly one of `low..=high`; `low` when the range is empty.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high.saturating_sub(low).saturating_add(1)).unwrap_or(1);
        let scaled = (u128::from(self.next()) * u128::from(width)) >> 64;
        low.saturating_add(i64::try_from(scaled).unwrap_or(0))
    }

    /// Whether something happens that has this chance.
    pub(super) fn chance(&mut self, per_mille: i64) -> bool {
        self.between(0, 999) < per_mille
    }

    /// Evenly one of the items; `None` when there are none.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let last = i64::try_from(items.len()).unwrap_or(0).saturating_sub(1);
        let at = self.between(0, last.max(0));
        items.get(usize::try_from(at).unwrap_or(0))
    }

    /// One of the texts; empty when there are none.
    pub(super) fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// One of the items, as likely as its weight says; `None` when no weight is positive.
    pub(super) fn weighted<'a, T>(
        &mut self,
        items: &'a [T],
        weight: impl Fn(&T) -> i64,
    ) -> Option<&'a T> {
        let total: i64 = items.iter().map(|item| weight(item).max(0)).sum();
        let mut left = self.between(0, total - 1);
        items.iter().find(|item| {
            left -= weight(item).max(0);
            left < 0
        })
    }

    /// A normal deviate in thousandths of a standard deviation, within six of them.
    pub(super) fn deviate(&mut self) -> i64 {
        // The sum of twelve even deviates has a variance of one.
        (0..12).map(|_| self.between(0, 1000)).sum::<i64>() - 6000
    }

    /// A value around a mean.
    pub(super) fn around(&mut self, mean: i64, deviation: i64) -> i64 {
        mean + deviation * self.deviate() / 1000
    }
}

/// A value of a curve given by its corners, straight between them and level outside.
pub(super) fn curve(corners: &[(i64, i64)], at: i64) -> i64 {
    let mut before: Option<(i64, i64)> = None;
    for &(x, y) in corners {
        if at <= x {
            return match before {
                Some((x0, y0)) if x > x0 => y0 + (y - y0) * (at - x0) / (x - x0),
                _ => y,
            };
        }
        before = Some((x, y));
    }
    before.map_or(0, |(_, y)| y)
}

#[cfg(test)]
mod tests {
    use super::{Random, curve};

    #[test]
    fn the_stream_is_pinned() {
        let mut random = Random::new(1, 2);
        let first: Vec<i64> = (0..4).map(|_| random.between(0, 999)).collect();
        assert_eq!(first, PINNED);
        assert_ne!(Random::new(1, 2).next(), Random::new(1, 3).next());
        assert_ne!(Random::new(1, 2).next(), Random::new(2, 2).next());
    }

    const PINNED: [i64; 4] = [964, 990, 908, 554];

    #[test]
    fn deviates_have_the_mean_and_spread_of_a_normal_distribution() {
        let mut random = Random::new(7, 7);
        let drawn: Vec<i64> = (0..10_000).map(|_| random.deviate()).collect();
        let mean = drawn.iter().sum::<i64>() / 10_000;
        let variance = drawn.iter().map(|x| x * x).sum::<i64>() / 10_000;
        assert!(mean.abs() < 40, "{mean}");
        assert!((950_000..1_050_000).contains(&variance), "{variance}");
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(3, 3);
        let of = |random: &mut Random| *random.weighted(&[0_i64, 1, 9], |w| *w).unwrap();
        let drawn: Vec<i64> = (0..1000).map(|_| of(&mut random)).collect();
        let nines = drawn.iter().filter(|w| **w == 9).count();
        assert!(
            (850..950).contains(&nines) && !drawn.contains(&0),
            "{nines}"
        );
    }

    #[test]
    fn a_curve_is_straight_between_its_corners() {
        let corners = [(0, 100), (10, 200), (20, 0)];
        let at = |x| curve(&corners, x);
        assert_eq!(
            [at(-5), at(0), at(5), at(10), at(15), at(99)],
            [100, 100, 150, 200, 100, 0]
        );
    }
}
