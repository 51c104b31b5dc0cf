//! What a region can lack: a deployment altogether, or one operation of it.
//!
//! A closed set of small numbers, so that what a region taught needs no map and no allocation.
//! Which operation has which number only the caller knows.

/// One thing that a (region, deployment) can lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lack(u8);

impl Lack {
    /// The deployment, and with it every operation.
    pub const DEPLOYMENT: Self = Self(0);

    /// Everything that can be lacked, the deployment first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LACKS).filter_map(|number| u8::try_from(number).ok()).map(Self)
    }

    /// The operation of this number. Those from [`MAX_OPERATIONS`] on share the last place: what
    /// one of them lacks, all do.
    pub const fn operation(number: u8) -> Self {
        if number < MAX_OPERATIONS { Self(number + 1) } else { Self(MAX_OPERATIONS) }
    }

    /// The number of the operation; `None` for the deployment.
    pub const fn as_operation(self) -> Option<u8> {
        self.0.checked_sub(1)
    }

    /// The place among all.
    pub(crate) fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// Operations that are told apart.
pub const MAX_OPERATIONS: u8 = 31;

/// The deployment and its operations.
pub(crate) const LACKS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own_up_to_the_last() {
        let places: Vec<_> = Lack::all().map(Lack::place).collect();
        assert!(places.into_iter().eq(0..LACKS));
        for (number, seen) in [(0, Some(0)), (30, Some(30)), (31, Some(30)), (255, Some(30))] {
            assert_eq!(Lack::operation(number).as_operation(), seen);
            assert!(Lack::operation(number).place() < LACKS);
        }
        assert_eq!(Lack::DEPLOYMENT.as_operation(), None);
    }
}
