//! Enums have the same names on command lines and in reports (strum) as in files (serde).

use std::fmt::Debug;
use std::str::FromStr;

use seminar_trainer::metrics::Ties;
use seminar_trainer::{Decay, HitFormat, Phase};
use serde::Serialize;
use strum::VariantArray;

fn check<T>()
where
    T: Copy + Debug + PartialEq + Serialize + FromStr + VariantArray,
    T::Err: Debug,
    &'static str: From<T>,
{
    for &variant in T::VARIANTS {
        let name: &str = variant.into();
        assert_eq!(serde_json::to_value(variant).unwrap(), name);
        assert_eq!(name.parse::<T>().unwrap(), variant);
    }
}

#[test]
fn names_are_the_same_everywhere() {
    check::<Decay>();
    check::<HitFormat>();
    check::<Phase>();
    check::<Ties>();
}
