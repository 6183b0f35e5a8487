//! The filter language in a few lines, for the inspector's help and `inhaul filters`; `docs/filters.md` has all of it.

/// What can be written, and what it means.
pub(crate) const LANGUAGE: [(&str, &str); 19] = [
    (
        "word",
        "what the list shows of an event holds it: method, path, type, provider, ids, status, remarks, tags",
    ),
    ("a b, a OR b, -a, (…)", "both; one of both; the contrary; brackets. AND, &, |, NOT and ! mean the same"),
    ("\"two words\", /regex/i", "a text with spaces or signs; a regular expression, in any case of letters"),
    ("name:value", "holds it; * and ? stand for any letters; several values between commas"),
    ("name=value, !=", "is exactly that, or is not"),
    ("name~regex", "matches the regular expression"),
    ("name>1, >=, <, <=", "numbers, times and sizes; also ranges, 200..299"),
    ("status:5xx,404,err", "how the last attempt ended; none: there was none"),
    (
        "is:failed",
        "pending, held, given-up, delivered, failed, rejected, missed, late, imported, repeat, dropped, replayed, retried, tagged; in the inspector marked",
    ),
    ("sig:invalid", "valid, invalid, stale, no-secret, unsigned, unchecked"),
    ("type:charge.*", "so also provider, endpoint, target, method, path, id, key, object, repeats, ip, host"),
    ("ms>200 age<1h size>64k", "time of the last attempt, age, length of the body; attempts>2"),
    ("after:14:05", "so also before:2025-11-20 and at:-10m..-5m; times are in UTC"),
    (
        "header.x-id:7",
        "a header; so also query.NAME and resp.header.NAME; header and resp.header are any line",
    ),
    ("body:text, resp:text", "in the body; in the beginning of an answer"),
    (
        "$.amount>100",
        "a value of a JSON body; a name with a dot needs no $: data.items[0].id; exists:data.id",
    ),
    ("jq:'.a | length > 2'", "a jq program over a JSON body finds something"),
    ("tag:slow comment:who", "what a person noted"),
    ("@name", "the filter saved under that name"),
];
