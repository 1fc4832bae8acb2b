//! Where settings come from, what is said when they are missing, and that secrets stay out of it.

use std::time::Duration;

use proptest::prelude::*;
use twinhouse_core::{
    Error, ErrorKind, Report, Result, Secret,
    config::{Env, Layers, Origin, Profile, Profiles, Setting},
};

const FILE: &str = "~/.databrickscfg";

fn profile(text: &str, name: Option<&str>) -> Result<Option<Profile>> {
    Profiles::parse(FILE, text)?.select(name)
}

fn layers(env: &[(&str, &str)], file: &str) -> Layers {
    let layers = Layers::new(Env::from_pairs(env.iter().copied()));
    match profile(file, None).unwrap() {
        Some(profile) => layers.with_profile(profile),
        None => layers.without_profile(FILE),
    }
}

#[test]
fn builder_goes_before_environment_before_profile_before_default() {
    let env = [("T_HOST", "from-env")];
    let file = "[DEFAULT]\nhost = from-file";
    let in_file = Origin::Profile { name: "DEFAULT".into(), file: FILE.into() };
    for (given, env, file, value, origin) in [
        (Some("given"), &env[..], file, "given", Origin::Builder),
        (None, &env[..], file, "from-env", Origin::Environment("T_HOST".into())),
        (None, &[][..], file, "from-file", in_file.clone()),
        (None, &[("T_HOST", "")][..], file, "from-file", in_file),
        (None, &[][..], "", "fallback", Origin::Default),
        (None, &[][..], "[DEFAULT]\nhost =", "fallback", Origin::Default),
    ] {
        // The order in which the layers are named makes no difference.
        let mut layers = layers(env, file);
        let lookup = layers.setting::<String>("host").profile("host").env("T_HOST").given(given.map(str::to_owned));
        assert_eq!(lookup.or("fallback".to_owned()).unwrap(), Setting::new(value.to_owned(), origin));
    }
}

#[test]
fn a_missing_setting_says_everywhere_it_was_looked_for() {
    let look = |mut layers: Layers| {
        let lookup = layers.setting::<String>("host").env("T_HOST").env("T_SERVER").profile("host");
        let error = lookup.required().unwrap_err();
        assert_eq!((error.kind(), error.context("setting")), (ErrorKind::Config, Some("host")));
        assert_eq!(error.message(), "`host` is not set");
        error.context("looked in").unwrap().to_owned()
    };
    let start = "builder, environment T_HOST, environment T_SERVER";
    assert_eq!(look(Layers::new(Env::empty())), start);
    assert_eq!(look(layers(&[], "[DEFAULT]\n")), format!("{start}, profile [DEFAULT] in {FILE}"));
    assert_eq!(look(layers(&[], "")), format!("{start}, {FILE}, which has no such profile or is not there"));
}

#[test]
fn a_bad_value_is_refused_with_its_origin_and_without_the_value() {
    let mut layers = layers(&[("T_PORT", "canary"), ("T_WAIT", "soon"), ("T_SIZE", "0")], "");
    let error = layers.setting::<u16>("port").env("T_PORT").wish("a port number").or(443).unwrap_err();
    assert_eq!(error.message(), "`port` must be a port number");
    assert_eq!(error.context("from"), Some("environment T_PORT"));
    assert!(!format!("{error} {error:?}").contains("canary"));
    let error = layers.duration("wait").env("T_WAIT").optional().unwrap_err();
    assert_eq!(error.message(), "`wait` must be a duration such as 30s");
    let size = |layers: &mut Layers, given| {
        layers.setting::<u32>("size").given(given).env("T_SIZE").wish("at least 1").check(|size| *size > 0).required()
    };
    assert_eq!(size(&mut layers, None).unwrap_err().context("from"), Some("environment T_SIZE"));
    assert_eq!(size(&mut layers, Some(0)).unwrap_err().context("from"), Some("builder"));
    assert_eq!(*size(&mut layers, Some(3)).unwrap().value(), 3);
}

#[test]
fn the_explanation_names_every_setting_once_with_value_and_origin() {
    let mut layers = layers(&[("T_TOKEN", "canary")], "[DEFAULT]\nhost = example.com");
    layers.setting::<String>("host").profile("host").required().unwrap();
    layers.setting::<Secret>("token").env("T_TOKEN").required().unwrap();
    layers.duration("timeout").or(Duration::from_secs(60)).unwrap();
    layers.setting::<String>("catalog").env("T_CATALOG").optional().unwrap();
    layers.setting::<String>("host").given(Some("localhost".into())).profile("host").required().unwrap();
    let expected = "\
token    ***        environment T_TOKEN
timeout  60s        default
catalog  (not set)  looked in: builder, environment T_CATALOG
host     localhost  builder
";
    assert_eq!(layers.explain().to_string(), expected);
}

#[test]
fn a_secret_shows_nowhere() {
    let file = "[DEFAULT]\ntoken = canary-file\n[other]\npassword = canary-other";
    let env = Env::from_pairs([("T_SECRET", "canary-env"), ("T_COUNT", "canary-count")]);
    let profiles = Profiles::parse(FILE, file).unwrap();
    let profile = profiles.select(None).unwrap().unwrap();
    let mut layers = Layers::new(env.clone()).with_profile(profile.clone());
    let settings = [
        layers.setting::<Secret>("a").given(Some("canary-given".into())).required().unwrap(),
        layers.setting::<Secret>("b").env("T_SECRET").required().unwrap(),
        layers.setting::<Secret>("c").profile("token").required().unwrap(),
        layers.setting::<Secret>("d").or("canary-default".into()).unwrap(),
    ];
    assert_eq!(settings.each_ref().map(|setting| setting.value().expose().len()), [12, 10, 11, 14]);
    let mut errors: Vec<Error> = vec![
        layers.setting::<u16>("e").env("T_COUNT").required().unwrap_err(),
        layers.setting::<Secret>("f").profile("token").check(|_| false).required().unwrap_err(),
        profiles.select(Some("missing")).unwrap_err(),
    ];
    for broken in ["canary", "[canary", "[a]\ncanary", "token = canary", "[a]\nk = canary\nk = canary"] {
        errors.push(Profiles::parse(FILE, broken).unwrap_err());
    }
    let mut shown = format!("{env:?} {profiles:?} {profile:?} {layers:?} {settings:?} {}", layers.explain());
    for error in &errors {
        shown += &format!("{error} {error:?} {}", Report(error));
    }
    shown += &format!("{:?}", layers.setting::<Secret>("g").given(Some("canary-pending".into())));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn the_profile_is_the_named_one_else_the_files_default_else_default() {
    let file = "[DEFAULT]\nhost = a\n[prod]\nhost = b\n[test]\nhost = c\n";
    let with_default = format!("{file}[__settings__]\ndefault_profile = prod\n");
    let host = |file: &str, name| profile(file, name).map(|found| found.map(|p| p.value("host").unwrap().to_owned()));
    assert_eq!(host(file, None).unwrap().as_deref(), Some("a"));
    assert_eq!(host(file, Some("test")).unwrap().as_deref(), Some("c"));
    assert_eq!(host(&with_default, None).unwrap().as_deref(), Some("b"));
    assert_eq!(host(&with_default, Some("DEFAULT")).unwrap().as_deref(), Some("a"));
    assert_eq!(host("[prod]\nhost = b", None).unwrap(), None);
    assert_eq!(host("", None).unwrap(), None);
    let missing = host(file, Some("nobody")).unwrap_err();
    assert_eq!(missing.message(), "~/.databrickscfg has no nobody profile configured");
    assert_eq!(missing.kind(), ErrorKind::Config);
    let reserved = host(&with_default, Some("__settings__")).unwrap_err();
    assert_eq!(reserved.kind(), ErrorKind::Config);
    assert!(host("[__settings__]\ndefault_profile = gone\n[DEFAULT]\nhost = a", None).is_err());
    let profiles = Profiles::parse(FILE, &with_default).unwrap();
    assert_eq!(profiles.names().collect::<Vec<_>>(), ["DEFAULT", "prod", "test"]);
}

#[test]
fn profiles_are_read_as_the_vendors_tools_write_them() {
    let file =
        "\u{feff}; comment\n# comment\n[DEFAULT] ;[x]\r\nHost = https://a.example \r\n\n[p]#\ntoken: x=y\nempty =\n";
    let default = profile(file, None).unwrap().unwrap();
    assert_eq!((default.name(), default.file()), ("DEFAULT", FILE));
    assert_eq!(default.value("host"), Some("https://a.example"));
    let p = profile(file, Some("p")).unwrap().unwrap();
    assert_eq!(p.value("token"), Some("x=y"), "the first delimiter ends the key");
    assert_eq!(p.value("host"), None, "nothing is inherited from DEFAULT");
    assert_eq!(p.value("empty"), None);
}

#[test]
fn a_malformed_file_is_refused_by_line() {
    for (text, line) in [
        ("[a]\nnonsense", "2"),
        ("key = 1", "1"),
        ("[a", "1"),
        ("[a] b", "1"),
        ("[a]\n[b]\n[a]", "3"),
        ("[a]\nk = 1\nK = 2", "3"),
    ] {
        let error = Profiles::parse(FILE, text).unwrap_err();
        assert_eq!((error.kind(), error.context("line")), (ErrorKind::Config, Some(line)), "{text:?}");
        assert_eq!(error.context("file"), Some(FILE));
    }
}

#[test]
fn a_file_that_is_not_there_is_nothing_and_one_that_cannot_be_read_is_an_error() {
    let env = Env::from_pairs([("HOME", env!("CARGO_MANIFEST_DIR"))]);
    assert!(Profiles::read("~/no-such-file", &env).unwrap().is_none());
    assert_eq!(Profiles::read("~/src", &env).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(env.expand("~"), std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(env.expand("~user/x"), std::path::Path::new("~user/x"));
    assert_eq!(Env::empty().expand("~/x"), std::path::Path::new("~/x"));
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(text in "(\\[|\\]|=|:|#|;|[a-zA-Z_ ]|\n|\u{feff}|é){0,60}") {
        if let Ok(profiles) = Profiles::parse(FILE, &text) {
            let _ = profiles.select(None);
        }
    }

    #[test]
    fn what_is_written_is_read_back(pairs in prop::collection::btree_map("[a-z][a-z_]{0,8}", "[!-~]{1,20}", 0..8)) {
        let lines: String = pairs.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let profile = profile(&format!("[p]\n{lines}"), Some("p")).unwrap().unwrap();
        for (key, value) in &pairs {
            prop_assert_eq!(profile.value(key), Some(value.as_str()));
        }
    }
}
