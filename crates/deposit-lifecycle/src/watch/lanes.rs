//! Lanes, and how what a provider's budget has is shared among them.

/// Out of which share of a provider's budget a deposit is read. What comes first of all (reads that a webhook asks for, scans, creates) has no
/// lane: it takes from the budget without waiting, see [`Tokens`](super::Tokens).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[strum(serialize_all = "snake_case")]
pub enum Lane {
    /// It can be paid and is not paid in full; also one that was never read.
    Young,
    /// Money was seen, credited or not, and it has moved within a day.
    UnderWay,
    /// Everything else.
    Old,
}

/// One of each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lanes<T> {
    /// Of [`Lane::Young`].
    pub young: T,
    /// Of [`Lane::UnderWay`].
    pub under_way: T,
    /// Of [`Lane::Old`].
    pub old: T,
}

impl<T> Lanes<T> {
    /// Of one lane.
    #[must_use]
    pub const fn get(&self, lane: Lane) -> &T {
        match lane {
            Lane::Young => &self.young,
            Lane::UnderWay => &self.under_way,
            Lane::Old => &self.old,
        }
    }

    /// Of one lane, to change.
    pub const fn get_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Young => &mut self.young,
            Lane::UnderWay => &mut self.under_way,
            Lane::Old => &mut self.old,
        }
    }

    /// From a function of the lane.
    pub fn from_fn(mut of: impl FnMut(Lane) -> T) -> Self {
        Self { young: of(Lane::Young), under_way: of(Lane::UnderWay), old: of(Lane::Old) }
    }
}

impl<T: Copy> Lanes<T> {
    /// The same for each.
    #[must_use]
    pub const fn all(value: T) -> Self {
        Self { young: value, under_way: value, old: value }
    }
}

impl Lanes<u32> {
    /// All together.
    #[must_use]
    pub const fn sum(&self) -> u32 {
        self.young.saturating_add(self.under_way).saturating_add(self.old)
    }
}

/// All lanes, in the order in which a tie is broken.
pub const LANES: [Lane; 3] = [Lane::Young, Lane::UnderWay, Lane::Old];

/// Of 16 reads each lane has so many, whatever the others want.
pub const SHARES: Lanes<u32> = Lanes { young: 10, under_way: 4, old: 2 };

/// Divisible by each share.
const LAP: u64 = 80;

/// Whose turn it is. Each read moves its lane on by the inverse of its share; the lane that is furthest behind comes next. So over any time
/// in which a lane has something to read it gets its share, be it one read at a time, and what a lane leaves is the others'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    at: Lanes<u64>,
    now: u64,
}

impl Turns {
    /// Shares `budget` reads among lanes that want so many: never more than the budget, never less while anybody wants one.
    pub fn share(&mut self, budget: u32, wanted: Lanes<u32>) -> Lanes<u32> {
        let mut given = Lanes::all(0_u32);
        for _ in 0..budget {
            let waiting = LANES.into_iter().filter(|lane| given.get(*lane) < wanted.get(*lane));
            // A lane that wanted nothing for a while has saved nothing up.
            let Some(lane) = waiting.min_by_key(|lane| (*self.at.get(*lane)).max(self.now)) else { break };
            let at = (*self.at.get(lane)).max(self.now);
            self.now = at;
            *self.at.get_mut(lane) = at.saturating_add(LAP / u64::from(*SHARES.get(lane)));
            *given.get_mut(lane) += 1;
        }
        given
    }
}
