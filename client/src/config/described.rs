//! The settings in effect, as the inspector and `inhaul config` show them, each with what says it. Secrets are there by their labels only.

use std::path::Path;

use inhaul_core::signature::Secret;

use crate::{
    cli::{AnswerMode, OnAbsent},
    config::{Parts, RelaySettings, Route, Setting, Settings, sources::ROUTE_KEYS},
    output::count_text,
};

impl Settings {
    /// Every setting, for people.
    pub fn described(&self) -> Vec<Setting> {
        let file = path_text(self.file.as_deref(), "none");
        let all = [vec![("file", file)], self.of_relay(), self.of_client(), self.of_inspector()].concat();
        let of = |(key, value): (&str, String)| Setting {
            name: key.to_owned(),
            value,
            source: self.sources.text(key),
        };
        let routes = self.routes.iter().flat_map(|route| self.of_route(route));
        all.into_iter().map(of).chain(routes).collect()
    }

    fn of_relay(&self) -> Vec<(&'static str, String)> {
        match &self.relay {
            RelaySettings::Remote { url, endpoint, .. } => vec![
                ("relay", url.to_string()),
                ("endpoint", endpoint.to_string()),
                ("token_file", "a token, not shown".to_owned()),
            ],
            RelaySettings::Embedded(embedded) => {
                let answer = match embedded.answer {
                    AnswerMode::App => "app",
                    AnswerMode::Relay => "relay",
                };
                let on_absent = match embedded.on_absent {
                    OnAbsent::Accept => "accept",
                    OnAbsent::Refuse => "refuse",
                };
                vec![
                    ("relay", "hosted by this program".to_owned()),
                    ("endpoint", embedded.endpoint.to_string()),
                    ("port", embedded.port.to_string()),
                    ("tls", yes_no(embedded.tls)),
                    ("answer", answer.to_owned()),
                    ("on_absent", on_absent.to_owned()),
                ]
            }
        }
    }

    fn of_client(&self) -> Vec<(&'static str, String)> {
        let hold = match self.hold.as_ref().map(ToString::to_string) {
            None => "nothing".to_owned(),
            Some(filter) if filter.is_empty() => "every event".to_owned(),
            Some(filter) => filter,
        };
        vec![
            ("cacert", path_text(self.cacert.as_deref(), "the system's")),
            ("sharing", self.sharing.map_or("alone", |sharing| sharing.as_str()).to_owned()),
            ("timeout", format!("{:?}", self.timeout)),
            ("catch_up", self.catch_up.as_str().to_owned()),
            ("hold.when", hold),
        ]
    }

    fn of_inspector(&self) -> Vec<(&'static str, String)> {
        let filters: Vec<String> = self.filters.iter().map(|(name, _)| format!("@{name}")).collect();
        let filters = if filters.is_empty() { "none".to_owned() } else { filters.join(", ") };
        let parts = |parts: &Parts| match parts.headers.len() + parts.json.len() {
            0 => "nothing of its own".to_owned(),
            more => count_text(more as u64, "part"),
        };
        vec![
            ("filters", filters),
            ("mask", parts(&self.mask)),
            ("diff", parts(&self.diff)),
            ("inspector.theme", self.ui.palette.to_string()),
            ("inspector.ascii", yes_no(self.ui.ascii)),
            ("inspector.mouse", yes_no(self.ui.mouse)),
            ("inspector.order", self.ui.order.to_string()),
            ("inspector.clipboard", self.ui.clipboard.to_string()),
        ]
    }

    fn of_route<'s>(&'s self, route: &'s Route) -> impl Iterator<Item = Setting> + 's {
        let setting = move |key: &&str| {
            let value = route_value(route, key)?;
            let name = format!("route {} {key}", route.path.as_str());
            Some(Setting { name, value, source: self.sources.route_text(route, key) })
        };
        ROUTE_KEYS.iter().filter_map(setting)
    }
}

fn path_text(path: Option<&Path>, otherwise: &str) -> String {
    path.map_or_else(|| otherwise.to_owned(), |path| path.display().to_string())
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// What a route says for one of its keys; nothing where there is nothing to say.
fn route_value(route: &Route, key: &str) -> Option<String> {
    let secrets = || {
        let secrets = route.secrets.now();
        let labels: Vec<&str> = secrets.iter().map(Secret::label).collect();
        if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }
    };
    Some(match key {
        "when" => route.when.as_ref()?.to_string(),
        "target" => {
            let targets: Vec<String> = route.targets.iter().map(ToString::to_string).collect();
            if targets.is_empty() { "nowhere".to_owned() } else { targets.join(", ") }
        }
        "provider" => {
            route.provider.as_ref().map_or("recognised by the headers", |provider| provider.id()).to_owned()
        }
        "secret" => secrets(),
        "verify" => route.verify.as_str().to_owned(),
        "retry" => format!("at most {} tries", route.retry.tries()),
        "concurrency" => route.concurrency.to_string(),
        "strict_order" => yes_no(route.strict_order),
        "dedupe" => route.dedupe.as_str().to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        config::ConfigFile,
    };

    #[test]
    fn every_setting_is_told_with_what_says_it_and_without_secrets() {
        let cli =
            Cli::try_parse_from("inhaul listen 3000 --secret-env SECRET --timeout 5s".split(' ')).unwrap();
        let Command::Listen(args) = cli.command else { panic!("listen") };
        let text = "catch_up = \"ask\"\n[[route]]\npath = \"/stripe\"\nprovider = \"stripe\"\nverify = \"reject\"\n[inspector]\ntheme = \"light\"\n[[route]]\npath = \"/\"\ndedupe = \"drop\"\n";
        let file = ConfigFile::parse(Path::new("inhaul.toml"), text).unwrap();
        let environment = |name: &str| match name {
            "SECRET" => Some("geheim-geheim".into()),
            "INHAUL_ENDPOINT" => Some("orders".into()),
            _ => None,
        };
        let described = Settings::resolve(&args, &environment, Some(file)).unwrap().described();
        let has = |name: &str, value: &str, source: &str| {
            let setting =
                Setting { name: name.to_owned(), value: value.to_owned(), source: source.to_owned() };
            assert!(described.contains(&setting), "{setting:?} in {described:#?}");
        };
        has("file", "inhaul.toml", "default");
        has("catch_up", "ask", "inhaul.toml:1");
        has("relay", "hosted by this program", "default");
        has("endpoint", "orders", "INHAUL_ENDPOINT");
        has("timeout", "5s", "--timeout");
        has("inspector.theme", "light", "inhaul.toml:7");
        has("route /stripe target", "http://localhost:3000", "TARGET");
        has("route /stripe provider", "stripe", "inhaul.toml:4");
        has("route /stripe secret", "none", "default");
        has("route /stripe verify", "reject", "inhaul.toml:5");
        has("route /stripe dedupe", "drop", "inhaul.toml:10");
        has("route / secret", "SECRET", "--secret-env");
        has("route / dedupe", "drop", "inhaul.toml:10");
        has("route / verify", "mark", "default");
        assert!(!format!("{described:?}").contains("geheim"));
    }
}
