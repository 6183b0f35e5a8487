//! Where copies go: to the clipboard of this machine by a program of its own, to tmux, to the terminal's clipboard, or to a file. Over SSH the
//! clipboard of this machine is not that of the person, and a program on a remote machine has no way to it but the terminal.

use std::{
    env,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    str::FromStr,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::data_dir::{create_private_dir, write_private_file};

/// Most bytes for the terminal's clipboard: in base64 they are below the 74 994 that terminals take at least.
pub(super) const TERMINAL_MAX_BYTES: usize = 56_000;

/// How long a program may take with a copy.
const TAKES_WITHIN: Duration = Duration::from_secs(2);

/// Most bytes of a string that GNU screen hands on; longer ones it drops.
const SCREEN_MAX_BYTES: usize = 240;

/// What tells that somebody is here over SSH.
const SSH: [&str; 3] = ["SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT"];

/// Programs that have the clipboard of a machine: what must be set for one to work, its name, and its arguments.
const PROGRAMS: [(Option<&str>, &str, &[&str]); 5] = [
    (None, "pbcopy", &[]),
    (Some("WAYLAND_DISPLAY"), "wl-copy", &[]),
    (Some("DISPLAY"), "xclip", &["-selection", "clipboard"]),
    (Some("DISPLAY"), "xsel", &["-b", "-i"]),
    (Some("WSL_DISTRO_NAME"), "clip.exe", &[]),
];

/// Which clipboard takes copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clipboard {
    /// The first of the others that does.
    #[default]
    Auto,
    /// This machine's.
    Native,
    /// tmux's buffer.
    Tmux,
    /// The terminal's (OSC 52).
    Terminal,
    /// None: copies are files.
    File,
}

impl Clipboard {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Auto, "auto"),
        (Self::Native, "native"),
        (Self::Tmux, "tmux"),
        (Self::Terminal, "terminal"),
        (Self::File, "file"),
    ];

    fn may_be(self, way: Self) -> bool {
        self == Self::Auto || self == way
    }
}

impl fmt::Display for Clipboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(known, _)| known == self).map_or("auto", |(_, name)| name))
    }
}

impl FromStr for Clipboard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(known, _)| *known).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            format!("{text:?} is no clipboard; there are {names}")
        })
    }
}

/// Where a copy went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To this machine's clipboard, by a program.
    Native(&'static str),
    /// To tmux's buffer, and what is known of where tmux hands it on to.
    Tmux(HandedOn),
    /// It is still to be written to the terminal.
    Terminal(Vec<u8>),
    /// To a file; because it is too long for a terminal, or because a file was asked for.
    File(PathBuf),
}

/// Whether tmux hands its buffer on to the terminal it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandedOn {
    /// It was told to, and its `set-clipboard` allows it; the terminal decides.
    Yes,
    /// Its `set-clipboard` is off.
    IsOff,
    /// It is older than 3.2 and cannot be told to.
    TooOld,
}

/// Takes a copy to where it can go.
///
/// # Errors
/// When not even a file can be written, or the clipboard that was chosen takes nothing.
pub(super) async fn copy(
    bytes: Vec<u8>,
    chosen: Clipboard,
    environment: &(dyn Fn(&str) -> Option<OsString> + Sync),
    file: PathBuf,
) -> io::Result<Way> {
    let is_set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let path = environment("PATH").unwrap_or_default();
    if chosen == Clipboard::Native || (chosen == Clipboard::Auto && !SSH.iter().any(|name| is_set(name))) {
        for (needs, name, arguments) in PROGRAMS {
            let Some(program) = found(&path, name).filter(|_| needs.is_none_or(is_set)) else { continue };
            if given(Command::new(program).args(arguments), &bytes).await {
                return Ok(Way::Native(name));
            }
        }
    }
    if chosen.may_be(Clipboard::Tmux)
        && is_set("TMUX")
        && let Some(tmux) = found(&path, "tmux")
        && let Some(handed_on) = to_tmux(&tmux, &bytes).await
    {
        return Ok(Way::Tmux(handed_on));
    }
    match chosen {
        Clipboard::Native => return Err(io::Error::other("no program of this machine takes copies")),
        Clipboard::Tmux => return Err(io::Error::other("tmux takes no copies here")),
        Clipboard::Auto | Clipboard::Terminal if bytes.len() <= TERMINAL_MAX_BYTES => {
            return Ok(Way::Terminal(bytes));
        }
        Clipboard::Auto | Clipboard::Terminal | Clipboard::File => {}
    }
    let writing = tokio::task::spawn_blocking(move || written(&bytes, file));
    writing.await.map_err(io::Error::other)?.map(Way::File)
}

fn written(bytes: &[u8], file: PathBuf) -> io::Result<PathBuf> {
    if let Some(directory) = file.parent() {
        create_private_dir(directory)?;
    }
    write_private_file(&file, bytes)?;
    Ok(file)
}

/// A program of the path.
fn found(path: &OsString, name: &str) -> Option<PathBuf> {
    let is_program = |program: &PathBuf| fs::metadata(program).is_ok_and(|found| found.is_file());
    env::split_paths(path).map(|directory| directory.join(name)).find(is_program)
}

/// Gives a program a copy on its standard input, where nobody else sees it, and says whether it took it. One that goes on in the background, as
/// those do that keep a clipboard, keeps nobody waiting: it has no other end of anything.
async fn given(command: &mut Command, bytes: &[u8]) -> bool {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C is the inspector's, and not for what keeps a clipboard.
    let Ok(mut child) = command.process_group(0).kill_on_drop(true).spawn() else { return false };
    let giving = async {
        let mut stdin = child.stdin.take()?;
        let written = stdin.write_all(bytes).await;
        drop(stdin);
        // It is waited for also when it did not take everything.
        let status = child.wait().await.ok()?;
        written.ok().filter(|()| status.success())
    };
    timeout(TAKES_WITHIN, giving).await.ok().flatten().is_some()
}

/// Gives tmux a copy, and has it hand it on to its terminal (`-w`, since tmux 3.2).
async fn to_tmux(tmux: &Path, bytes: &[u8]) -> Option<HandedOn> {
    if given(Command::new(tmux).args(["load-buffer", "-w", "-"]), bytes).await {
        let asked =
            Command::new(tmux).args(["show-options", "-sv", "set-clipboard"]).kill_on_drop(true).output();
        let answer = timeout(TAKES_WITHIN, asked).await.ok().and_then(Result::ok);
        let is_off = answer.is_some_and(|answer| answer.stdout.trim_ascii() == b"off");
        return Some(if is_off { HandedOn::IsOff } else { HandedOn::Yes });
    }
    let taken = given(Command::new(tmux).args(["load-buffer", "-"]), bytes).await;
    taken.then_some(HandedOn::TooOld)
}

/// What has a terminal put bytes on its clipboard (OSC 52). GNU screen hands on what stands in strings of device control, each of a bounded
/// length.
pub(super) fn sequence(bytes: &[u8], in_screen: bool) -> Vec<u8> {
    let osc = [b"\x1b]52;c;", STANDARD.encode(bytes).as_bytes(), b"\x07"].concat();
    if !in_screen {
        return osc;
    }
    osc.chunks(SCREEN_MAX_BYTES).flat_map(|part| [b"\x1bP", part, b"\x1b\\"].concat()).collect()
}

/// Whether what is written goes through GNU screen, and not through tmux in it.
pub(super) fn is_in_screen(environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    is_set("STY") && !is_set("TMUX")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// Programs of a path of their own, and where they write.
    struct Machine {
        directory: TempDir,
        set: Vec<&'static str>,
    }

    impl Machine {
        fn new(programs: &[(&str, &str)], set: &[&'static str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for (name, script) in programs {
                let path = directory.path().join(name);
                let script = format!("#!/bin/sh\ncd '{}'\n{script}\n", directory.path().display());
                // Written by another process: a file that this one has open for writing, in any thread, cannot be run.
                let write = "printf %s \"$2\" > \"$1\" && chmod 700 \"$1\"";
                let mut shell = std::process::Command::new("/bin/sh");
                assert!(shell.args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap().success());
            }
            Self { directory, set: set.to_vec() }
        }

        async fn copy(&self, bytes: &[u8], chosen: Clipboard) -> io::Result<Way> {
            let path = self.directory.path().as_os_str().to_owned();
            let environment = |name: &str| match name {
                "PATH" => Some(path.clone()),
                _ => self.set.contains(&name).then(|| "set".into()),
            };
            copy(bytes.to_vec(), chosen, &environment, self.file()).await
        }

        fn file(&self) -> PathBuf {
            self.directory.path().join("copies/body.json")
        }

        fn got(&self) -> Vec<u8> {
            fs::read(self.directory.path().join("got")).unwrap_or_default()
        }
    }

    /// Takes everything, and notes its arguments.
    const TAKES: &str = "/bin/cat > got; echo \"$@\" > arguments";

    #[tokio::test]
    async fn what_is_too_long_for_a_terminal_goes_to_a_file_of_this_user() {
        let machine = Machine::new(&[], &[]);
        let short = vec![b'x'; TERMINAL_MAX_BYTES];
        assert_eq!(machine.copy(&short, Clipboard::Auto).await.unwrap(), Way::Terminal(short));
        assert!(!machine.file().exists());
        let long = vec![b'x'; TERMINAL_MAX_BYTES + 1];
        assert_eq!(machine.copy(&long, Clipboard::Auto).await.unwrap(), Way::File(machine.file()));
        assert_eq!(fs::read(machine.file()).unwrap(), long);
        assert_eq!(fs::metadata(machine.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn the_clipboard_of_this_machine_is_first_and_not_over_ssh() {
        for (program, needs) in [
            ("pbcopy", &[][..]),
            ("wl-copy", &["WAYLAND_DISPLAY"]),
            ("xclip", &["DISPLAY"]),
            ("xsel", &["DISPLAY"]),
            ("clip.exe", &["WSL_DISTRO_NAME"]),
        ] {
            let machine = Machine::new(&[(program, TAKES), ("tmux", TAKES)], &[needs, &["TMUX"]].concat());
            assert_eq!(machine.copy(b"geheim", Clipboard::Auto).await.unwrap(), Way::Native(program));
            assert_eq!(machine.got(), b"geheim");
            let arguments = fs::read_to_string(machine.directory.path().join("arguments")).unwrap();
            assert!(!arguments.contains("geheim"), "{arguments}");
            let remote = Machine::new(&[(program, TAKES)], &[needs, &["SSH_TTY"]].concat());
            assert!(
                matches!(remote.copy(b"a", Clipboard::Auto).await.unwrap(), Way::Terminal(_)),
                "{program}"
            );
            if !needs.is_empty() {
                let without = Machine::new(&[(program, TAKES)], &[]);
                assert!(matches!(without.copy(b"a", Clipboard::Auto).await.unwrap(), Way::Terminal(_)));
                let error = without.copy(b"a", Clipboard::Native).await.unwrap_err();
                assert_eq!(error.to_string(), "no program of this machine takes copies");
            }
        }
    }

    #[tokio::test]
    async fn a_program_that_fails_hangs_or_stays_holds_up_nothing() {
        let fails = Machine::new(&[("xclip", "exit 1"), ("xsel", TAKES)], &["DISPLAY"]);
        assert_eq!(fails.copy(b"a", Clipboard::Auto).await.unwrap(), Way::Native("xsel"));
        let stays =
            Machine::new(&[("xclip", "/bin/cat > got; /bin/sleep 600 & echo $! > pid")], &["DISPLAY"]);
        assert_eq!(stays.copy(b"a", Clipboard::Auto).await.unwrap(), Way::Native("xclip"));
        let hangs = Machine::new(&[("xclip", "echo $$ > pid; exec /bin/sleep 600")], &["DISPLAY"]);
        let long = vec![b'x'; 1 << 20];
        assert!(matches!(hangs.copy(&long, Clipboard::Auto).await.unwrap(), Way::File(_)));
        let pid = fs::read_to_string(stays.directory.path().join("pid")).unwrap();
        assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success(), "it stayed");
    }

    #[tokio::test]
    async fn of_tmux_it_is_said_what_is_known() {
        let tmux = |option: &str, load: &str| {
            format!(
                "case \"$1 $2\" in 'show-options '*) echo {option};; 'load-buffer -w') {load};; *) {TAKES};; esac"
            )
        };
        for (option, load, handed_on) in [
            ("external", TAKES, HandedOn::Yes),
            ("on", TAKES, HandedOn::Yes),
            ("off", TAKES, HandedOn::IsOff),
            ("on", "exit 1", HandedOn::TooOld),
        ] {
            let machine = Machine::new(&[("tmux", &tmux(option, load))], &["TMUX", "SSH_TTY"]);
            assert_eq!(machine.copy(b"a", Clipboard::Auto).await.unwrap(), Way::Tmux(handed_on), "{option}");
            assert_eq!(machine.got(), b"a");
        }
        let machine = Machine::new(&[("tmux", "exit 1")], &["TMUX"]);
        assert!(matches!(machine.copy(b"a", Clipboard::Auto).await.unwrap(), Way::Terminal(_)));
        assert!(machine.copy(b"a", Clipboard::Tmux).await.is_err());
    }

    #[tokio::test]
    async fn one_can_be_chosen() {
        let machine = Machine::new(&[("pbcopy", TAKES), ("tmux", TAKES)], &["TMUX"]);
        for (_, name) in Clipboard::ALL {
            let chosen: Clipboard = name.parse().unwrap();
            assert_eq!(chosen.to_string(), name);
            let way = machine.copy(b"a", chosen).await.unwrap();
            let is_it = match chosen {
                Clipboard::Auto | Clipboard::Native => way == Way::Native("pbcopy"),
                Clipboard::Tmux => way == Way::Tmux(HandedOn::Yes),
                Clipboard::Terminal => way == Way::Terminal(b"a".to_vec()),
                Clipboard::File => way == Way::File(machine.file()),
            };
            assert!(is_it, "{name}: {way:?}");
        }
        assert!("paper".parse::<Clipboard>().unwrap_err().contains("native, tmux"));
    }

    #[test]
    fn screen_gets_strings_that_it_hands_on() {
        assert_eq!(sequence(b"hi", false), b"\x1b]52;c;aGk=\x07");
        let bytes = vec![b'x'; 10_000];
        let wrapped = sequence(&bytes, true);
        let text = String::from_utf8(wrapped).unwrap();
        let parts: Vec<&str> = text.split("\x1b\\").filter(|part| !part.is_empty()).collect();
        assert!(parts.len() > 1 && parts.iter().all(|part| part.starts_with("\x1bP") && part.len() < 768));
        let whole: String = parts.iter().map(|part| &part[2..]).collect();
        assert_eq!(whole.as_bytes(), sequence(&bytes, false));
        let set =
            |names: &'static [&'static str]| move |name: &str| names.contains(&name).then(|| "1".into());
        assert!(
            is_in_screen(&set(&["STY"])) && !is_in_screen(&set(&["STY", "TMUX"])) && !is_in_screen(&set(&[]))
        );
    }
}
