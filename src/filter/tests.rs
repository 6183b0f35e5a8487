//! Every field and operator, what is refused and where, and the normal form.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{field::Field, *};
use crate::event::UnixMillis;

/// 2025-11-24T14:05:10Z
const NOW: UnixMillis = UnixMillis(1_763_993_110_000);

/// An event with something in every field.
struct Sample {
    outcome: Outcome,
    signature: Signature,
    flags: Vec<Flag>,
    json: Value,
    /// Whether its bytes are at hand.
    is_whole: bool,
}

impl Default for Sample {
    fn default() -> Self {
        let json = json!({
            "id": "evt_1",
            "data": { "amount": { "value": 150.5 }, "currency": "eur", "paid": true, "note": null },
            "items": [{ "id": 7, "tags": ["a", "b"] }, { "id": 8 }],
        });
        Self {
            outcome: Outcome::Status(503),
            signature: Signature::Valid,
            flags: Vec::new(),
            json,
            is_whole: true,
        }
    }
}

impl Subject for Sample {
    fn now(&self) -> UnixMillis {
        NOW
    }

    fn received_at(&self) -> UnixMillis {
        UnixMillis(NOW.0 - 10 * 60_000)
    }

    fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn signature(&self) -> Signature {
        self.signature
    }

    fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    fn any_number(&self, field: NumberField, passes: &mut dyn FnMut(f64) -> bool) -> bool {
        passes(match field {
            NumberField::Milliseconds => 210.0,
            NumberField::Age => 600_000.0,
            NumberField::Size => 65_536.0,
            NumberField::Attempts => 3.0,
        })
    }

    fn any_word(&self, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let words = ["charge.failed", "stripe", "POST", "503", "valid", "bug/12", "slow"];
        let listed = words.into_iter().any(&mut *passes);
        match self.is_whole {
            true => Some(listed || passes("/hooks/in")),
            false => listed.then_some(true),
        }
    }

    fn any_text(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let texts: &[&str] = match field {
            TextField::Provider => &["stripe"],
            TextField::Type => &["charge.failed"],
            TextField::Endpoint => &["orders"],
            TextField::Target => &["http://localhost:3000/", "http://localhost:4000/"],
            TextField::Id => &["0193586a-1b2c-7def-8123-456789abcdef", "evt_1"],
            TextField::Key => &["evt_1"],
            TextField::Method => &["POST"],
            TextField::Path => &["/hooks/in"],
            TextField::Ip => &["203.0.113.9:40001"],
            TextField::Host => &["Relay.example"],
            TextField::Query(name) if name == "Mode" => &["live"],
            TextField::Header(name) if name == "x-request-id" => &["abc-1"],
            TextField::Headers => &["X-Request-Id: abc-1", "Host: Relay.example"],
            TextField::AnswerHeader(name) if name == "server" => &["nginx"],
            TextField::AnswerHeaders => &["Server: nginx"],
            TextField::Query(_) | TextField::Header(_) | TextField::AnswerHeader(_) => &[],
            TextField::Answer => &["upstream is down"],
            TextField::Tag => &["bug/12", "slow"],
            TextField::Comment => &["who sent this?"],
            TextField::Object => &["call_220"],
            TextField::Repeats => &["0193586a-1b2c-7def-8123-456789abcdef"],
            TextField::Body => &[r#"{"id":"evt_1","amount":150}"#],
        };
        let needs_bytes = matches!(
            field,
            TextField::Body | TextField::Headers | TextField::Header(_) | TextField::Host | TextField::Ip
        );
        (self.is_whole || !needs_bytes).then(|| texts.iter().any(|text| passes(text)))
    }

    fn any_json(&self, path: &JsonPath, passes: &mut dyn FnMut(JsonValue<'_>) -> bool) -> Option<bool> {
        self.is_whole.then(|| any_json(&self.json, path, &mut Vec::new(), passes))
    }
}

/// As [`Subject::any_json`], of a value and all in it.
fn any_json<'v>(
    value: &'v Value,
    path: &JsonPath,
    places: &mut Vec<JsonPlace<'v>>,
    passes: &mut dyn FnMut(JsonValue<'_>) -> bool,
) -> bool {
    if path.leads_to(places) {
        return match value {
            Value::String(text) => passes(JsonValue::Text(text)),
            Value::Array(_) | Value::Object(_) => passes(JsonValue::Nested),
            Value::Null | Value::Bool(_) | Value::Number(_) => passes(JsonValue::Plain(&value.to_string())),
        };
    }
    let inside: Vec<(JsonPlace<'_>, &Value)> = match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (JsonPlace::Item(index), item)).collect()
        }
        Value::Object(members) => {
            members.iter().map(|(name, member)| (JsonPlace::Member(name), member)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    inside.into_iter().any(|(place, value)| {
        places.push(place);
        let found = any_json(value, path, places, passes);
        places.pop();
        found
    })
}

fn test(filter: &str, sample: &Sample) -> Option<bool> {
    let parsed = Filter::parse_for_list(filter, &Saved::default());
    parsed.unwrap_or_else(|error| panic!("{filter}: {error}")).test(sample)
}

fn holds(filter: &str) -> bool {
    test(filter, &Sample::default()).unwrap()
}

#[test]
fn every_name_asks_for_what_it_says() {
    for (yes, no) in [
        ("provider:stripe", "provider:github"),
        ("p:github,stripe", "p=strip"),
        ("type:charge.*", "type:charge.?"),
        ("type:failed", "type:ended"),
        ("endpoint=orders", "endpoint=order"),
        ("target::4000", "target::5000"),
        ("id:evt_1", "id:evt_2"),
        ("id:0193586a", "id=0193586a"),
        ("key=evt_1", "key:0193"),
        ("method:post", "method:GET"),
        ("path:/hooks", "path:/other"),
        ("path~/^\\/hooks\\/(in|out)$/", "path~/^in/"),
        ("ip:203.0.113.", "ip:10."),
        ("host:relay.example", "host=relay"),
        ("query.Mode:live", "query.mode:live"),
        ("query.Mode", "query.other"),
        ("header.X-Request-Id:abc", "header.x-request-id:abd"),
        ("header.x-request-id", "header.x-other"),
        ("header:abc-1", "header:nothing"),
        ("resp.header.server:nginx", "resp.header.server:apache"),
        ("resp:down", "resp:up!"),
        ("answer~d.wn$", "answer~^down"),
        ("tag:slow,fast", "tag:fast"),
        ("tag=bug/12", "tag=bug"),
        ("comment:\"sent this\"", "comment:received"),
        ("object=call_220", "object=call_22"),
        ("repeats:0193586a", "repeats:0193586b"),
        ("body:evt_1", "body:evt_9"),
        ("body~/\"amount\":\\d+/", "body~/\"amount\":[a-z]/"),
        ("ms>200", "ms>210"),
        ("ms<=210", "ms<210"),
        ("latency:100..300", "ms:0..200"),
        ("age>5m", "age<10m"),
        ("size:64k", "size>64KiB"),
        ("size<1MiB", "size>=1M"),
        ("attempts>=3", "attempts!=3"),
        ("after:13:55", "after:13:55:11"),
        ("before:14:00", "before:13:55:10"),
        ("after:2025-11-24", "before:2025-11-24"),
        ("after:2025-11-24T13:55:10Z", "after:2025-11-24T13:55:11Z"),
        ("at:-11m..-9m", "at:-9m..-1m"),
        ("data.amount.value>150", "data.amount.value>=151"),
        ("$.data.amount.value=150.5", "$.data.amount.value=150"),
        ("data.currency:eu", "data.currency=EUR"),
        ("data.paid=true", "data.paid!=true"),
        ("items[0].id=7", "items[1].id=7"),
        ("items[*].id>7", "items[*].id>8"),
        ("$.items[*].tags[1]=b", "items[*].tags[2]=b"),
        ("exists:data.note", "exists:data.other"),
        ("exists:$", "exists:$.nothing"),
    ] {
        assert!(holds(yes), "{yes}");
        assert!(!holds(no), "{no}");
        assert!(!holds(&format!("-{yes}")) && holds(&format!("NOT {no}")), "{yes} {no}");
    }
}

#[test]
fn the_contrary_is_of_all_values_and_quotes_are_for_letters_and_numbers_for_what_they_are_worth() {
    for (yes, no) in [
        ("tag!=quick", "tag!=slow"),
        ("id!=evt_2", "id!=evt_1"),
        ("key!=a,b", "key!=a,evt_1"),
        ("data.nothing!=1", "data.currency!=eur"),
        ("ms!=5", "ms!=210"),
        ("sig!=bad", "sig!=ok"),
        ("is!=late", "-is!=late"),
        ("comment:\"this?\"", "comment:\"thi*\""),
        ("comment:who*this?", "comment:who*thi?"),
        ("\"bug/12\"", "\"bug/*\""),
        ("bug/*", "bug/?"),
        ("/hooks/*", "/hooks/?"),
        ("ms:>200", "ms:>210"),
        ("ms:1,>=210", "ms:1,<210"),
        ("size:<=64k", "size:<64k"),
        ("attempts=3", "attempts=2,4"),
        ("data.amount.value:100..200", "data.amount.value:151..200"),
        ("data.amount.value:>=150.5", "data.amount.value:<150.5"),
        ("data.amount.value=150.500,1", "data.amount.value=1505e1"),
        ("data.amount.value:1.505e2", "data.amount.value:150"),
        ("data.amount.value:\"150\"", "data.amount.value=\"150.50\""),
        ("items[*].id=8.0", "items[*].id:8.1"),
    ] {
        assert!(holds(yes), "{yes}");
        assert!(!holds(no), "{no}");
        assert!(!holds(&format!("-{yes}")) && holds(&format!("NOT {no}")), "{yes} {no}");
    }
}

#[test]
fn outcomes_signatures_and_flags_have_their_words() {
    let outcome = |outcome| Sample { outcome, ..Sample::default() };
    for (filter, status, failed, none) in [
        ("status:503", true, false, false),
        ("status:4xx,5xx", true, false, false),
        ("status:200..299", false, false, false),
        ("status:err", false, true, false),
        ("status:none", false, false, true),
        ("status>=400", true, false, false),
        ("status<400", false, false, false),
        ("status!=503", false, true, true),
        ("status:5XX,ERR", true, true, false),
        ("status:NONE", false, false, true),
        ("status:>=400", true, false, false),
        ("status:err,>=500", true, true, false),
        ("status:<503", false, false, false),
        ("-status:2xx", true, true, true),
    ] {
        let truths =
            [Outcome::Status(503), Outcome::Failed, Outcome::None].map(|is| test(filter, &outcome(is)));
        assert_eq!(truths, [Some(status), Some(failed), Some(none)], "{filter}");
    }
    for (signature, words) in field::SIGNATURES {
        for word in words {
            let sample = Sample { signature, ..Sample::default() };
            assert_eq!(test(&format!("sig:{word}"), &sample), Some(true), "{word}");
        }
    }
    assert!(!holds("sig:invalid,stale") && holds("sig:invalid,ok"));
    for (flag, words) in field::FLAGS {
        for word in words {
            let sample = Sample { flags: vec![flag], ..Sample::default() };
            assert_eq!(test(&format!("is:{word}"), &sample), Some(true), "{word}");
            assert!(!holds(&format!("is:{word}")), "{word}");
        }
    }
}

#[test]
fn words_and_operators_combine() {
    for filter in [
        "",
        "  ",
        "charge",
        "\"charge.failed\"",
        "/charge\\.(failed|ended)/",
        "/CHARGE/i",
        "stripe charge",
        "stripe AND charge & post",
        "github OR stripe",
        "github | stripe",
        "github OR stripe charge",
        "(github OR stripe) -refund",
        "!refund NOT github",
        "NOT NOT stripe",
        "--stripe",
        "(((stripe)))",
        "'stripe'",
        "status:503 (type:charge.* OR -sig:ok)",
    ] {
        assert!(holds(filter), "{filter}");
    }
    for filter in [
        "refund",
        "stripe github",
        "stripe AND -charge",
        "NOT (stripe OR x)",
        "CHARGE",
        "/CHARGE/",
        "github stripe OR x",
    ] {
        assert!(!holds(filter), "{filter}");
    }
}

#[test]
fn letters_of_mitmproxy_mean_the_same() {
    for (letters, filter) in [
        ("~c 5xx", "status:5xx"),
        ("~b evt", "body:evt"),
        ("~h request-id", "header~request-id"),
        ("~hs nginx", "resp.header~nginx"),
        ("~u ^/hooks", "path~^/hooks"),
        ("~t json", "header.content-type~json"),
        ("~d example", "host~example"),
        ("~m POST", "method~POST"),
        ("~e", "status:err"),
        ("~q & !~e", "status:none -status:err"),
        ("~comment sent.this", "comment~sent.this"),
        ("~replay | ~dst 3000", "is:replayed OR target~3000"),
        ("!~marked", "-is:marked"),
    ] {
        let parse = |text| Filter::parse_for_list(text, &Saved::default()).unwrap();
        assert_eq!(parse(letters), parse(filter), "{letters}");
    }
}

#[test]
fn marks_are_asked_for_in_lists_only() {
    for text in ["is:marked", "stripe -~marked", "status:5xx OR (is:held,marked late)"] {
        assert!(Filter::parse_for_list(text, &Saved::default()).unwrap().asks_for(Flag::Marked));
        let error = Filter::parse(text).unwrap_err();
        assert!(error.message.contains("a tag stays") && error.span == (0..text.len()), "{error}");
    }
    assert!(!Filter::parse_for_list("is:held marked", &Saved::default()).unwrap().asks_for(Flag::Marked));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (filter, wrong, said) in [
        ("stripe data.amount>1o0", "1o0", "expected a number after \">\", found \"1o0\""),
        ("ms>soon", "soon", "expected a time such as 200, 10s or 5m after \">\", found \"soon\""),
        ("size:big", "big", "expected a size"),
        ("size:1k..big", "1k..big", "found \"big\""),
        ("status:4x", "4x", "expected a status such as 404, 4xx"),
        ("status~4", "4", "does not go with this name"),
        ("is:lost", "lost", "expected one of pending, held"),
        ("sig:maybe", "maybe", "expected one of valid, invalid"),
        ("provdier:stripe", "provdier", "did you mean provider?"),
        ("http://x", "http", "a text with such a sign stands in quotes"),
        ("type:", "", "expected a value, found nothing more"),
        ("type:\"a", "", "expected a closing quote, found nothing more"),
        ("(a OR b", "", "expected a closing bracket, found nothing more"),
        ("a)", ")", "expected a space, AND, OR or the end, found \")\""),
        ("a OR", "OR", "something must follow OR"),
        ("a OR OR b", "OR", "something must follow OR"),
        ("(a AND)", "AND", "something must follow AND"),
        ("a | ", "|", "something must follow |"),
        ("a NOT", "NOT", "something must follow NOT"),
        ("OR b", "OR", "something must stand before OR"),
        ("a (& b)", "&", "something must stand before &"),
        ("typ:push", "typ", "did you mean type?"),
        ("staus:500", "staus", "did you mean status?"),
        ("amount>100", "amount", "a value of the JSON body is $.amount"),
        ("path~(", "(", "expected a regular expression"),
        ("path~\"(\"", "\"(\"", "is no regular expression: unclosed group"),
        ("after:soon", "soon", "expected a time such as 14:05"),
        ("at:14:00", "14:00", "expected two times"),
        ("ms>1,2", "2", "one value stands behind"),
        ("~xyz", "~xyz", "there is no ~xyz"),
        ("~c", "", "expected a space and a value"),
        ("exists:a..b", "a..b", "expected a path"),
    ] {
        let error = Filter::parse(filter).unwrap_err();
        assert_eq!(&filter[error.span.clone()], wrong, "{filter}: {error}");
        assert!(error.message.contains(said), "{filter}: {error}");
    }
    let deep = "(".repeat(100) + "a" + &")".repeat(100);
    assert!(Filter::parse(&deep).unwrap_err().message.contains("64 deep"));
    assert!(Filter::parse(&"a ".repeat(3000)).unwrap_err().message.contains("at most 4096 bytes"));
    assert!(holds(&format!("{}stripe", "-".repeat(4000))));
}

#[test]
fn brackets_are_counted_behind_quotes_of_every_kind() {
    for before in ["", "/'/ ", "/\"/ ", "\"'\" ", "'\"' ", "path~/'/ ", "body:\"\\\"\" ", "'\\'' ", "~u /'/ "]
    {
        let text = before.to_owned() + &"(".repeat(100_000);
        let error = syntax::parse(&text).unwrap_err();
        let is_there = error.span.start == before.len() + 64;
        assert!(error.message.contains("64 deep") && is_there, "{before}: {error}");
        let closed = format!("{before}{}a{}", "(".repeat(64), ")".repeat(64));
        assert!(syntax::parse(&closed).is_ok(), "{before}");
    }
    let many = "(a) ".repeat(1000);
    assert!(syntax::parse(&many).is_ok(), "beside each other they are not deep");
}

#[test]
fn numbers_too_long_for_a_float_are_told_apart() {
    let holds = |filter: &str, written: &str| {
        let Some(Expression::Test(Test::Json(_, test))) = Filter::parse(filter).unwrap().expression else {
            panic!("{filter} asks for no value");
        };
        test.holds(JsonValue::Plain(written))
    };
    for (filter, written, expected) in [
        ("a.b=9007199254740993", "9007199254740993", true),
        ("a.b=9007199254740993", "9007199254740992", false),
        ("a.b>9007199254740992", "9007199254740993", true),
        ("a.b:1e400", "10e399", true),
        ("a.b:1e400", "1.1e400", false),
        ("a.b=1.87", "1.870", true),
        ("a.b:1", "1.870", false),
        ("a.b:tru", "true", true),
    ] {
        assert_eq!(holds(filter, written), expected, "{filter} {written}");
    }
}

#[test]
fn what_is_not_at_hand_is_left_open_unless_the_rest_decides() {
    let listed = Sample { is_whole: false, ..Sample::default() };
    for (filter, expected) in [
        ("body:x", None),
        ("-body:x", None),
        ("data.amount>1", None),
        ("header.a:b", None),
        ("body:x provider:github", Some(false)),
        ("provider:github body:x", Some(false)),
        ("body:x OR provider:stripe", Some(true)),
        ("body:x provider:stripe", None),
        ("(body:x OR type:y) provider:stripe", None),
        ("stripe", Some(true)),
        ("hooks", None),
        ("-hooks provider:github", Some(false)),
    ] {
        assert_eq!(test(filter, &listed), expected, "{filter}");
    }
}

#[test]
fn the_normal_form_says_the_same_in_one_way() {
    for (filter, normal) in [
        ("", ""),
        ("a  AND b&c", "a b c"),
        ("a|b OR c", "a OR b OR c"),
        ("(a OR b) c", "(a OR b) c"),
        ("a (b c)", "a b c"),
        ("!(a b)", "-(a b)"),
        ("---a", "-a"),
        ("p:Stripe", "provider:Stripe"),
        ("status:5xx,404,err", "status:5xx,404,err"),
        ("ms>10s", "ms>10000"),
        ("size:1k..2KiB", "size:1024..2048"),
        ("size>10m", "size>10485760"),
        ("size<=10kb", "size<=10240"),
        ("age<1w", "age<604800000"),
        ("ms=10s", "ms:10000"),
        ("ms:>10s", "ms>10000"),
        ("ms:1,>=5", "ms:1,>=5"),
        ("type!=a,b", "-type=a,b"),
        ("--type!=a", "-type=a"),
        ("status:>=400,ERR", "status:>=400,err"),
        ("$.a:100.0..2e2,x", "$.a:100..200,x"),
        ("$.a:>=1.50", "$.a>=1.5"),
        ("$.a=1.50", "$.a=1.50"),
        ("$.a:9..9.0", "$.a:9..9"),
        ("$.a=\"1.50\",1..2", "$.a=\"1.50\",1..2"),
        ("type:a*,\"b*\"", "type:a*,\"b*\""),
        ("/a\\/b/ OR /c*", "/a\\/b/ OR /(?s)^\\/c.*$/"),
        ("state:dead", "is:given-up"),
        ("sig:bad,missing", "sig:invalid,unsigned"),
        ("after:14:05", "after:14:05:00"),
        ("before:2025-11-20", "before:2025-11-20T00:00:00.000Z"),
        ("a[0].b=1", "$.a[0].b=1"),
        ("\"two words\"", "\"two words\""),
        ("path~\"a b\"", "path~\"a b\""),
    ] {
        let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(parsed.to_string(), normal, "{filter}");
        assert_eq!(Filter::parse(normal).unwrap(), parsed, "{normal}");
    }
}

/// What was seen, by the names of fields.
struct Account;

impl Seen for Account {
    fn values(&self, field: &str) -> Vec<(String, u64)> {
        let values: &[(&str, u64)] = match field {
            "type" => &[("charge.failed", 3), ("charge.succeeded", 40), ("refund.created", 40)],
            "provider" => &[("stripe", 80)],
            "tag" => &[("bug/12", 1)],
            "status" => &[("200", 70), ("503", 2)],
            _ => &[],
        };
        values.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect()
    }
}

/// The text with each of the first candidates in its place, `|` being the cursor.
fn completed(text: &str, most: usize) -> Vec<String> {
    let mut saved = Saved::default();
    saved.insert("slow", "ms>500");
    let cursor = text.find('|').unwrap();
    let text = text.replace('|', "");
    let Some(completion) = complete(&text, cursor, &saved, &Account) else { return Vec::new() };
    let put = |candidate: &Candidate| {
        let mut text = text.clone();
        text.replace_range(completion.span.clone(), &candidate.text);
        let count = candidate.count.map(|count| format!(" ({count})")).unwrap_or_default();
        text + &count
    };
    completion.candidates.iter().take(most).map(put).collect()
}

#[test]
fn names_and_values_that_were_seen_complete_what_is_begun() {
    for (text, expected) in [
        ("pro|", &["provider:"][..]),
        ("stripe -prov|", &["stripe -provider:"]),
        ("(is:late OR ty| ms>1", &["(is:late OR type: ms>1"]),
        ("type:|", &["type:charge.succeeded (40)", "type:refund.created (40)", "type:charge.failed (3)"]),
        ("type:cha|", &["type:charge.succeeded (40)", "type:charge.failed (3)"]),
        ("type:fail|", &["type:charge.failed (3)"]),
        ("type!=ref|", &["type!=refund.created (40)"]),
        ("p:s|", &["p:stripe (80)"]),
        ("tag:x,bu|", &["tag:x,\"bug/12\" (1)"]),
        ("status:|", &["status:200 (70)", "status:503 (2)", "status:2xx"]),
        ("is:giv|", &["is:given-up"]),
        ("sig:INV|", &["sig:invalid"]),
        ("@s|", &["@slow"]),
        ("resp.h|", &["resp.header:", "resp.header."]),
        ("body:\"a |", &[]),
        ("\"a b\" typ|", &["\"a b\" type:"]),
        ("provider:|stripe", &["provider:stripestripe (80)"]),
        ("zzz|", &[]),
        ("ms>|", &[]),
    ] {
        assert_eq!(completed(text, 3), expected, "{text}");
    }
}

#[test]
fn saved_filters_that_name_each_other_do_not_multiply_without_end() {
    let mut saved = Saved::default();
    saved.insert("n0", "ms>500 -is:late");
    for number in 1..=6 {
        let text = vec![format!("@n{}", number - 1); 20].join(" | ");
        saved.insert(&format!("n{number}"), &text);
    }
    let tests =
        |name: &str| Filter::parse_with(name, &saved).map(|filter| filter.to_string().matches("ms>").count());
    assert_eq!((tests("@n1"), tests("@n2")), (Ok(20), Ok(400)));
    for name in ["@n4", "@n6"] {
        let error = tests(name).unwrap_err();
        assert_eq!(error.span, 0..3);
        assert!(error.message.starts_with(&format!("in {name}: in @n")), "{error:?}");
        assert!(error.message.contains("the filter is longer than 65536 bytes"), "{error:?}");
    }
    // What is named often and is small stays as it was.
    assert_eq!(tests(&vec!["@n0"; 500].join(" | ")), Ok(500));
}

#[test]
fn a_saved_filter_means_what_it_says() {
    let mut saved = Saved::default();
    for (name, text) in [
        ("slow", "ms>500"),
        ("bad", "status:5xx OR @slow"),
        ("a", "@b"),
        ("b", "@a"),
        ("x", "ms>"),
        ("none", " "),
    ] {
        saved.insert(name, text);
    }
    let normal = |text: &str| Filter::parse_with(text, &saved).map(|filter| filter.to_string());
    assert_eq!(normal("stripe @bad").unwrap(), "stripe (status:5xx OR ms>500)");
    assert_eq!(normal("-@slow").unwrap(), "-ms>500");
    assert_eq!(normal("\"@slow\"").unwrap(), "\"@slow\"", "in quotes it is a word");
    for (text, said) in [
        ("ok @other", "no filter is saved as \"other\""),
        ("ok @a", "in @a: in @b:"),
        ("ok @x", "in @x: expected a value"),
        ("ok @none", "in @none: it is empty"),
    ] {
        let error = normal(text).unwrap_err();
        assert!(error.message.contains(said), "{text}: {error}");
        assert_eq!(error.span, 3..text.len(), "{text}");
    }
    saved.insert("big", "size>500");
    assert_eq!(Filter::parse_deciding("@big late", &saved).unwrap().to_string(), "size>500 late");
    assert!(Filter::parse_deciding("@slow late", &saved).is_err(), "that is not known yet");
    saved.insert("asked", "jq:.a");
    let asked = Filter::parse_deciding("@asked", &saved);
    assert!(asked.unwrap_err().message.contains("not decided by a program"));
    assert!(saved.check("bad").is_ok() && saved.check("a").is_err());
    assert!(Saved::is_name("my-filter_2") && !Saved::is_name("two words") && !Saved::is_name(""));
}

/// The words that a [`Sample`] has among others, and what is not in any list.
impl Vocabulary for Account {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these have words")]
    fn passing(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<Vec<bool>> {
        let words: &[&str] = match field {
            TextField::Provider => &["github", "stripe"],
            TextField::Type => &["charge.failed", "ping"],
            TextField::Method => &["POST"],
            TextField::Endpoint => &["local", "orders"],
            TextField::Tag => &["bug/12 slow"],
            _ => return None,
        };
        Some(words.iter().map(|word| word.split(' ').any(&mut *passes)).collect())
    }
}

impl Listed for Sample {
    fn flags(&self) -> u32 {
        self.flags.iter().fold(0, |bits, flag| bits | flag.bit())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these have words")]
    fn word(&self, field: &TextField) -> ListedWord {
        match field {
            TextField::Provider | TextField::Endpoint => ListedWord::Number(1),
            TextField::Type | TextField::Tag => ListedWord::Number(0),
            _ => ListedWord::Unlisted,
        }
    }
}

/// Texts that are more or less filters.
fn any_filter() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[a-zA-Z0-9_.*?:/=<>-]{1,8}",
        "/[a-z*/\\\\]{1,4}/?",
        "-?[0-9.]{1,4}(e[0-9])?(\\.\\.[0-9]{1,3})?",
        "\"[^\"\\\\]{0,6}\"",
        Just("4xx".to_owned()),
        Just("10m".to_owned()),
        Just("valid".to_owned()),
        Just("late".to_owned()),
        "[0-9]{1,3}",
    ];
    let names: Vec<String> = Field::names().map(str::to_owned).collect();
    let name = prop_oneof![
        proptest::sample::select(names),
        Just("header.x-a".to_owned()),
        Just("query.a".to_owned()),
        Just("$.a[*].b".to_owned()),
        Just("a.b".to_owned()),
    ];
    let op = proptest::sample::select(vec![":", "=", "!=", "~", ">", "<=", ""]);
    let test = (name, op, value.clone()).prop_map(|(name, op, value)| format!("{name}{op}{value}"));
    let atom = prop_oneof![4 => test, 1 => value];
    atom.prop_recursive(4, 24, 4, |inner| {
        let between = proptest::sample::select(vec![" ", " AND ", " OR ", "|", "&"]);
        prop_oneof![
            (inner.clone(), between, inner.clone()).prop_map(|(a, between, b)| format!("{a}{between}{b}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("-{inner}")),
            inner.prop_map(|inner| format!("NOT ({inner})")),
        ]
    })
}

proptest! {
    #[test]
    fn the_normal_form_reads_back_as_the_same_filter(text in any_filter()) {
        if let Ok(filter) = Filter::parse(&text) {
            let normal = filter.to_string();
            let again = Filter::parse(&normal);
            prop_assert_eq!(again.as_ref(), Ok(&filter), "{} became {}", text, normal);
            prop_assert_eq!(again.unwrap().to_string(), normal);
            let (whole, listed) = (Sample::default(), Sample { is_whole: false, ..Sample::default() });
            let truth = filter.test(&whole);
            prop_assert!(truth.is_some());
            for sample in [&whole, &listed] {
                let prepared = filter.prepared(&Account).test(sample);
                prop_assert!(prepared.is_none_or(|early| Some(early) == truth), "prepared, it is wrong");
            }
            prop_assert!(filter.test(&listed).is_none_or(|early| Some(early) == truth), "decided early and wrongly");
        }
    }

    #[test]
    fn at_any_place_of_any_text_there_is_a_completion_within_it_or_none(text in "[a-z:,\"'(é -]{0,12}", at in 0..16usize) {
        if let Some(completion) = complete(&text, at, &Saved::default(), &Account) {
            prop_assert!(completion.span.end == at && text.get(completion.span).is_some());
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error_within_it(text in "\\PC{0,60}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {:?}", error.span, text);
        }
    }
}

#[test]
fn a_path_leads_to_the_values_it_names_and_to_no_others() {
    use crate::filter::JsonPlace::{Item, Member};
    let path = |text: &str| JsonPath::parse(text).unwrap();
    assert!(path("$").leads_to(&[]));
    assert!(path("data.items[*].id").leads_to(&[Member("data"), Member("items"), Item(3), Member("id")]));
    assert!(path("[2]").leads_to(&[Item(2)]));
    for (text, places) in [
        ("data", &[Member("data"), Member("id")][..]),
        ("data.id", &[Member("data")]),
        ("[2]", &[Item(3)]),
        ("a", &[Item(0)]),
        ("[*]", &[Member("a")]),
    ] {
        assert!(!path(text).leads_to(places), "{text}");
    }
}

#[test]
fn programs_are_for_finding_events_only() {
    let text = r#"is:failed jq:'.a | length > 2' OR -jq:".b""#;
    let filter = Filter::parse_with(text, &Saved::default()).unwrap();
    assert_eq!(filter.jq_programs(), [".a | length > 2", ".b"]);
    let written = filter.to_string();
    assert_eq!(Filter::parse_with(&written, &Saved::default()).unwrap(), filter, "{written}");
    let event = Sample::default();
    let of = |text: &str| Filter::parse_with(text, &Saved::default()).unwrap().test(&event);
    assert_eq!(of("jq:.a"), None, "it was not run");
    assert_eq!(of("status:503 OR jq:.a"), Some(true), "nor need it be");
    let error = Filter::parse("jq:.a").unwrap_err();
    assert!(error.message.contains("what is forwarded or held"), "{error}");
    assert!(Filter::parse_with("jq=.a", &Saved::default()).is_err());
    assert!(Filter::parse_with("jq:.a,.b", &Saved::default()).unwrap_err().message.contains("one value"));
}

#[test]
fn what_becomes_of_an_event_does_not_decide_what_becomes_of_it() {
    let deciding = |text: &str| Filter::parse_deciding(text, &Saved::default());
    for (text, what) in [
        ("status:500", "status:500"),
        ("type:push status:5xx ms>3", "status:5xx"),
        ("stripe OR -attempts>2", "attempts>2"),
        ("target:3000", "target:3000"),
        ("resp:no", "resp:no"),
        ("resp.header.x", "resp.header.x"),
        ("resp.header:a", "resp.header:a"),
        ("is:late,failed", "is:late,failed"),
        ("is:replayed", "is:replayed"),
        ("tag:slow", "tag:slow"),
        ("comment:slow", "comment:slow"),
        ("~e", "status:err"),
    ] {
        let error = deciding(text).unwrap_err();
        assert!(error.message.contains(what) && error.message.contains("when it arrives"), "{text}: {error}");
        assert!(Filter::parse(text).is_ok(), "it finds events: {text}");
    }
    for text in [
        "",
        "type:push -repeats:x sig:valid is:late,missed,imported,repeat size>3 age>3",
        "$.a>3 header.x query.a path:/a method:POST ip:1 host:a provider:x endpoint:b id:1 key:2 object:3",
        "after:-1h stripe /x/ exists:a.b body:x",
    ] {
        assert!(deciding(text).is_ok(), "{text}");
    }
}
