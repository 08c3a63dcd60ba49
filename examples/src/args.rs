//! Flags whose values are the names of library enums.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use seminar_models::ModelKind;

/// Parses one of `values` by its name. `--help` and errors list the names.
pub fn one_of<T>(values: &'static [T]) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync,
    &'static str: From<T>,
{
    let named = move |name: String| values.iter().copied().find(|&value| name == <&str>::from(value));
    PossibleValuesParser::new(values.iter().map(|&value| <&str>::from(value)))
        .try_map(move |name| named(name).ok_or("no such value"))
}

/// Parses the name of a model or `popularity`, the baseline.
pub fn model_or_popularity() -> PossibleValuesParser {
    PossibleValuesParser::new(models_and_popularity())
}

/// The names of the baseline and of all models.
pub fn models_and_popularity() -> impl Iterator<Item = &'static str> {
    std::iter::once("popularity").chain(ModelKind::NAMES.iter().copied())
}

/// The name of a flag's value.
pub fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, Command};
    use seminar_dataset::Split;

    #[test]
    fn only_the_listed_values_are_taken_and_errors_name_them() {
        let parse = |value: &str| {
            let flag = Arg::new("split").long("split").value_parser(one_of(&[Split::Valid, Split::Test]));
            Command::new("evaluate").arg(flag).try_get_matches_from(["evaluate", "--split", value])
        };
        assert_eq!(parse("valid").unwrap().get_one::<Split>("split"), Some(&Split::Valid));
        let error = parse("train").unwrap_err().to_string();
        assert!(error.contains("[possible values: valid, test]"), "{error}");
    }
}
