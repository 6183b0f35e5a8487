//! The settings in effect, as the inspector shows them. Secrets are there by their labels only.

use inhaul_core::signature::Secret;

use crate::{
    config::{RelaySettings, Route, Settings},
    output::time_text,
};

impl Settings {
    /// Names and values, for people.
    pub fn described(&self) -> Vec<(String, String)> {
        let file = self.file.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        let mut lines = vec![("configuration file", file)];
        match &self.relay {
            RelaySettings::Remote { url, endpoint, .. } => {
                lines.extend([("relay", url.to_string()), ("endpoint", endpoint.to_string())]);
            }
            RelaySettings::Embedded(embedded) => lines.extend([
                ("relay", "hosted by this program".to_owned()),
                ("endpoint", embedded.endpoint.to_string()),
                ("port", embedded.port.to_string()),
                ("HTTPS", if embedded.tls { "yes" } else { "no" }.to_owned()),
                ("answer", format!("{:?}", embedded.answer).to_lowercase()),
                ("no answer", format!("{:?}", embedded.on_absent).to_lowercase()),
            ]),
        }
        let sharing = self.sharing.map_or("alone", |sharing| sharing.as_str());
        lines.extend([
            ("endpoint held", sharing.to_owned()),
            ("timeout", time_text(self.timeout)),
            ("catch up", self.catch_up.as_str().to_owned()),
        ]);
        let routes =
            self.routes.iter().map(|route| (format!("route {}", route.path.as_str()), route_text(route)));
        lines.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(routes).collect()
    }
}

fn route_text(route: &Route) -> String {
    let targets: Vec<String> = route.targets.iter().map(ToString::to_string).collect();
    let to = if targets.is_empty() { "nowhere".to_owned() } else { targets.join(", ") };
    let mut words = vec![format!("→ {to}")];
    words.extend(route.provider.as_ref().map(|provider| format!("signed by {}", provider.id())));
    if !route.secrets.is_empty() {
        let labels: Vec<&str> = route.secrets.iter().map(Secret::label).collect();
        words.push(format!("secrets {}", labels.join(", ")));
    }
    words.push(format!("verify {}", route.verify.as_str()));
    words.push(format!("dedupe {}", route.dedupe.as_str()));
    words.push(format!("concurrency {}", route.concurrency));
    if route.strict_order {
        words.push("strict order".to_owned());
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        config::ConfigFile,
    };

    #[test]
    fn the_settings_are_told_without_secrets() {
        let cli = Cli::try_parse_from(["inhaul", "listen", "3000", "--secret-env", "SECRET"]).unwrap();
        let Command::Listen(args) = cli.command else { panic!("listen") };
        let text =
            "catch_up = \"ask\"\n[[route]]\npath = \"/stripe\"\nprovider = \"stripe\"\nverify = \"reject\"\n";
        let file = ConfigFile::parse(Path::new("inhaul.toml"), text).unwrap();
        let environment = |name: &str| (name == "SECRET").then(|| "geheim-geheim".into());
        let described = Settings::resolve(&args, &environment, Some(file)).unwrap().described();
        let has = |name: &str, value: &str| {
            assert!(
                described.contains(&(name.to_owned(), value.to_owned())),
                "{name}: {value} in {described:?}"
            );
        };
        has("configuration file", "inhaul.toml");
        has("catch up", "ask");
        has("answer", "app");
        has(
            "route /stripe",
            "→ http://localhost:3000; signed by stripe; verify reject; dedupe flag; concurrency 1",
        );
        has("route /", "→ http://localhost:3000; secrets SECRET; verify mark; dedupe flag; concurrency 1");
        assert!(!format!("{described:?}").contains("geheim"));
    }
}
