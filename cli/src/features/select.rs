//! Which views are asked about which entity.

use snafu::{OptionExt, ResultExt, Snafu, ensure};
use triplane_contract::View;
use triplane_crds::validate::closest;
use triplane_feature_store::Value;
use triplane_feature_store::value::ValueError;

use crate::args::GetSettings;
use crate::dev::saved::KnownView;

/// Why a question makes no sense.
#[derive(Debug, Snafu)]
pub enum SelectError {
    /// No view has that name.
    #[snafu(display("--view {name}: there is no such FeatureView{hint}: there is {known}"))]
    UnknownView {
        /// As given.
        name: String,
        /// A close name.
        hint: String,
        /// Every name.
        known: String,
    },
    /// Two namespaces have a view of that name.
    #[snafu(display("--view {name}: there is one in {namespaces}: say --namespace"))]
    Ambiguous {
        /// As given.
        name: String,
        /// The namespaces.
        namespaces: String,
    },
    /// The view has no rows that servers read.
    #[snafu(display("FeatureView {name} has no complete generation yet: wait for its first run in `triplane dev`"))]
    NotReady {
        /// `namespace/name`
        name: String,
    },
    /// No view has just those keys.
    #[snafu(display(
        "no FeatureView that is Ready has its keys among {given}: say --view, and --key for each of its keys ({known})"
    ))]
    NoView {
        /// Names of the keys given.
        given: String,
        /// Views with their keys.
        known: String,
    },
    /// A key of the view is not given.
    #[snafu(display("FeatureView {view} needs --key {key}=VALUE ({value_type})"))]
    MissingKey {
        /// Name of the view.
        view: String,
        /// Name of the key.
        key: String,
        /// Type of the key.
        value_type: String,
    },
    /// A key is given that no view asked has.
    #[snafu(display("--key {key}: no FeatureView asked has that key{hint}: there is {known}"))]
    UnknownKey {
        /// As given.
        key: String,
        /// A close name.
        hint: String,
        /// Keys of the views.
        known: String,
    },
    /// A key is given twice.
    #[snafu(display("--key {key} is there twice: one entity is read at a time"))]
    KeyTwice {
        /// As given.
        key: String,
    },
    /// A value is not of its key's type.
    #[snafu(display("--key {key}: {source}"))]
    BadKey {
        /// Name of the key.
        key: String,
        /// Why.
        source: ValueError,
    },
}

/// A view and the entity asked about, its values in the order of the view's keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The generation that servers read.
    pub view: &'a View,
    /// Values of its keys.
    pub key: Vec<Value>,
}

/// The views that are named, else every view whose keys are all given.
pub fn select<'a>(known: &'a [KnownView], settings: &GetSettings) -> Result<Vec<Asked<'a>>, SelectError> {
    let keys = settings.keys.as_slice();
    for (index, (key, _)) in keys.iter().enumerate() {
        ensure!(given(&keys[..index], key).is_none(), KeyTwiceSnafu { key });
    }
    let in_namespace = |view: &&KnownView| settings.namespace.as_ref().is_none_or(|name| *name == view.namespace);
    let known: Vec<&KnownView> = known.iter().filter(in_namespace).collect();
    let views = if settings.views.is_empty() {
        with_keys(&known, keys)?
    } else {
        let named = settings.views.iter().map(|name| named(&known, name));
        named.collect::<Result<_, _>>()?
    };
    let all_keys = || views.iter().flat_map(|view| &view.keys).map(|key| key.name.as_str());
    for (key, _) in keys {
        ensure!(
            all_keys().any(|known| known == key),
            UnknownKeySnafu {
                key,
                hint: closest(key, all_keys()),
                known: all_keys().collect::<Vec<_>>().join(", "),
            }
        );
    }
    views.into_iter().map(|view| asked(view, keys)).collect()
}

/// The value given for a key.
fn given<'k>(keys: &'k [(String, String)], name: &str) -> Option<&'k str> {
    keys.iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn named<'a>(known: &[&'a KnownView], name: &str) -> Result<&'a View, SelectError> {
    let mut found = known.iter().filter(|view| view.name == name);
    let names = || known.iter().map(|view| view.name.as_str());
    let view = found.next().with_context(|| UnknownViewSnafu {
        name,
        hint: closest(name, names()),
        known: names().collect::<Vec<_>>().join(", "),
    })?;
    if let Some(other) = found.next() {
        let namespaces = format!("{} and {}", view.namespace, other.namespace);
        return AmbiguousSnafu { name, namespaces }.fail();
    }
    view.ready.as_ref().with_context(|| NotReadySnafu {
        name: format!("{}/{name}", view.namespace),
    })
}

fn with_keys<'a>(known: &[&'a KnownView], keys: &[(String, String)]) -> Result<Vec<&'a View>, SelectError> {
    let ready = || known.iter().filter_map(|view| view.ready.as_ref());
    let found: Vec<&View> = ready()
        .filter(|view| view.keys.iter().all(|key| given(keys, &key.name).is_some()))
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let with_keys = |view: &View| {
        let keys: Vec<&str> = view.keys.iter().map(|key| key.name.as_str()).collect();
        format!("{}: {}", view.name, keys.join(" and "))
    };
    let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
    NoViewSnafu {
        given: if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        },
        known: ready().map(with_keys).collect::<Vec<_>>().join(", "),
    }
    .fail()
}

fn asked<'a>(view: &'a View, keys: &[(String, String)]) -> Result<Asked<'a>, SelectError> {
    let key = view.keys.iter().map(|column| {
        let text = given(keys, &column.name).with_context(|| MissingKeySnafu {
            view: &view.name,
            key: &column.name,
            value_type: column.value_type.to_string(),
        })?;
        Value::parse(column.value_type, text).context(BadKeySnafu { key: &column.name })
    });
    let key = key.collect::<Result<_, _>>()?;
    Ok(Asked { view, key })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::args::{Arguments, Command, FeaturesCommand};

    fn settings(arguments: &[&str]) -> GetSettings {
        let words = ["triplane", "features", "get"]
            .into_iter()
            .chain(arguments.iter().copied());
        match Arguments::parse_from(words).command {
            Command::Features(FeaturesCommand::Get(settings)) => settings,
            other => panic!("{other:?}"),
        }
    }

    fn view(namespace: &str, name: &str, keys: &[(&str, &str)]) -> KnownView {
        let keys: Vec<_> = keys
            .iter()
            .map(|(name, value_type)| json!({"name": name, "type": value_type}))
            .collect();
        let view = json!({
            "namespace": namespace, "store": "s", "name": name, "generation": 1, "id": "abcdefgh", "keys": keys,
            "features": [], "schemas": [{"id": 1, "columns": []}],
        });
        KnownView {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ready: Some(serde_json::from_value(view).unwrap()),
        }
    }

    fn known() -> Vec<KnownView> {
        vec![
            view("flights", "airport-weather", &[("origin", "String")]),
            view("flights", "route-history", &[("origin", "String"), ("dest", "String")]),
            view("flights", "leg", &[("number", "Int64")]),
            KnownView {
                ready: None,
                ..view("flights", "young", &[("origin", "String")])
            },
        ]
    }

    fn names(arguments: &[&str]) -> Result<Vec<String>, String> {
        let known = known();
        let asked = select(&known, &settings(arguments)).map_err(|error| error.to_string())?;
        Ok(asked
            .iter()
            .map(|asked| format!("{} {:?}", asked.view.name, asked.key))
            .collect())
    }

    #[test]
    fn the_views_that_are_named_or_those_whose_keys_are_given() {
        let weather = r#"airport-weather [String("JFK")]"#.to_owned();
        let route = r#"route-history [String("JFK"), String("LAX")]"#.to_owned();
        assert_eq!(
            names(&["--view", "airport-weather", "--key", "origin=JFK"]),
            Ok(vec![weather.clone()])
        );
        assert_eq!(names(&["--key", "origin=JFK"]), Ok(vec![weather.clone()]));
        assert_eq!(
            names(&["--key", "dest=LAX", "--key", "origin=JFK"]),
            Ok(vec![weather, route])
        );
        assert_eq!(names(&["--key", "number=17"]), Ok(vec!["leg [Int64(17)]".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_next_step() {
        for (arguments, part) in [
            (
                &["--view", "airport-wether", "--key", "origin=x"][..],
                "(did you mean \"airport-weather\"?)",
            ),
            (
                &["--view", "route-history", "--key", "origin=x"],
                "route-history needs --key dest=VALUE (String)",
            ),
            (&["--view", "leg", "--key", "numbr=17"], "(did you mean \"number\"?)"),
            (
                &["--view", "leg", "--key", "number=x"],
                "--key number: \"x\" is not a Int64",
            ),
            (
                &["--view", "young", "--key", "origin=x"],
                "flights/young has no complete generation yet",
            ),
            (&["--key", "dest=x"], "route-history: origin and dest"),
            (
                &["--key", "number=1", "--key", "number=2"],
                "--key number is there twice",
            ),
            (
                &["--namespace", "farm", "--view", "leg", "--key", "number=1"],
                "no such FeatureView",
            ),
        ] {
            let message = names(arguments).unwrap_err();
            assert!(message.contains(part), "{arguments:?}: {message}");
        }
    }

    #[test]
    fn a_name_that_two_namespaces_have_needs_one_of_them() {
        let known = vec![view("a", "leg", &[("n", "Int64")]), view("b", "leg", &[("n", "Int64")])];
        let ask = |more: &[&str]| select(&known, &settings(&[&["--view", "leg", "--key", "n=1"], more].concat()));
        assert!(
            ask(&[])
                .unwrap_err()
                .to_string()
                .contains("one in a and b: say --namespace")
        );
        assert_eq!(ask(&["--namespace", "b"]).unwrap()[0].view.namespace, "b");
    }
}
