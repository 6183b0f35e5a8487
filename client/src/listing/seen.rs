//! Which values events have, for the completion of filters.

use inhaul_core::filter::{Seen, TextField};

use super::{Entry, Last, Listing};

/// Values with how many events of the whole list have each.
impl Seen for Listing {
    fn values(&self, field: &str) -> Vec<(String, u64)> {
        let counted = |field: &TextField| self.words.counted(field, self.present());
        let owned = |(text, count): (&str, u64)| (text.to_owned(), count);
        match field {
            "type" => counted(&TextField::Type).into_iter().map(owned).collect(),
            "provider" => counted(&TextField::Provider).into_iter().map(owned).collect(),
            "endpoint" => counted(&TextField::Endpoint).into_iter().map(owned).collect(),
            "method" => counted(&TextField::Method).into_iter().map(owned).collect(),
            "tag" => {
                let mut tags = std::collections::BTreeMap::new();
                for (together, count) in counted(&TextField::Tag) {
                    for tag in together.split(' ') {
                        *tags.entry(tag.to_owned()).or_insert(0) += count;
                    }
                }
                tags.into_iter().collect()
            }
            "status" => {
                let mut counts = std::collections::BTreeMap::new();
                for (last, status, _) in self.present().map(Entry::last) {
                    if last == Last::Answered {
                        *counts.entry(status).or_insert(0) += 1;
                    }
                }
                counts.into_iter().map(|(status, count)| (status.to_string(), count)).collect()
            }
            _ => Vec::new(),
        }
    }
}
