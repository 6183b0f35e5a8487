//! Power cuts: the file system under a relay or a client loses all that was not brought to the disk, while many senders post.
//!
//! An ext4 image is mounted for the test. The process on it is stopped, ext4 is told to go down without writing anything any
//! more (`EXT4_IOC_SHUTDOWN`, which drops what a power cut would drop), the process is killed and the image is mounted again.
//! That needs root, Linux and `python3`, which calls the ioctl.

use std::{fs, path::PathBuf};

use crate::{
    traffic::{Numbers, RELAY, RESERVE, Traffic, number_from},
    world::{Program, World, run, text, until},
};

const IMAGE_BYTES: u64 = 2 << 30;

/// Without writing the log: `EXT4_GOING_FLAGS_NOLOGFLUSH` (2) for `EXT4_IOC_SHUTDOWN`, which is `_IOR('X', 125, __u32)`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
file = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(file, (2 << 30) | (4 << 16) | (ord('X') << 8) | 125, struct.pack('I', 2))";

/// A file system of its own; unmounted when dropped.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// Mounts a new one in the test's directory; `None`, and a word about it, where that is not possible.
    fn new(world: &World, name: &str) -> Option<Self> {
        let disk = Self { image: world.path(&format!("{name}.ext4")), at: world.path(name) };
        let image = fs::File::create(&disk.image).unwrap();
        image.set_len(IMAGE_BYTES).unwrap();
        fs::create_dir(&disk.at).unwrap();
        let made = run("mkfs.ext4", &["-q", "-F", text(&disk.image)]).and_then(|_| disk.mount());
        match made.and_then(|()| disk.cut()).and_then(|()| disk.unmount()).and_then(|()| disk.mount()) {
            Ok(()) => Some(disk),
            Err(reason) => {
                eprintln!(
                    "skipped: no power can be cut here (it takes root, Linux, ext4 and python3): {reason}"
                );
                None
            }
        }
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", text(&self.image), text(&self.at)]).map(drop)
    }

    fn cut(&self) -> Result<(), String> {
        run("python3", &["-c", SHUTDOWN, text(&self.at)]).map(drop)
    }

    /// Takes it away for everybody: a process that has just got copies of all mounts, as in a namespace of its own, keeps it for a
    /// moment, and it would come back as it is.
    fn unmount(&self) -> Result<(), String> {
        run("umount", &[text(&self.at)])?;
        until("its loop device is free", || {
            run("losetup", &["--associated", text(&self.image)]).is_ok_and(|devices| devices.is_empty())
        });
        Ok(())
    }

    /// The power goes, with the process on this disk, and comes back.
    fn lose_power(&self, program: Program) {
        // All at once: what the process is told to be on disk after the cut would be no acknowledgement it could give.
        program.freeze();
        self.cut().unwrap();
        program.kill();
        self.unmount().unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may not be mounted.
        let _ = run("umount", &[text(&self.at)]);
    }
}

/// The relay's disk, with the client away and then with the client there, in turn.
#[test]
#[ignore = "needs root; INHAUL_POWER_CUTS says how often"]
fn what_a_relay_has_answered_survives_power_cuts() {
    let (mut numbers, seed) = Numbers::from_environment("INHAUL_POWER_SEED");
    eprintln!("INHAUL_POWER_SEED={seed}");
    let world = World::new();
    let Some(disk) = Disk::new(&world, "relay") else { return };
    let mut relay = world.relay(&RELAY);
    let mut traffic = Traffic::start(&world.endpoint(&["--answer", "relay"]), 4000);
    let target = traffic.target.clone();
    let address = relay.public_url.strip_prefix("http://").unwrap().to_owned();
    traffic.relay_is_there();
    for cut in 0..number_from("INHAUL_POWER_CUTS", 50) {
        let client = (cut % 2 == 1).then(|| world.listen_at(&relay, &[&target]));
        let waits = traffic.acknowledged() - traffic.delivered();
        if client.is_some() {
            traffic.until_delivered(traffic.delivered() + numbers.below(waits.max(1)));
        } else {
            traffic.until_acknowledged(traffic.acknowledged() + 1 + numbers.below(1500));
        }
        disk.lose_power(relay.program);
        traffic.relay_died();
        let reserve = if cut % 4 < 2 { &RESERVE[..] } else { &[] };
        relay = world.relay(&[&RELAY[..], &["--listen", &address], reserve].concat());
        traffic.relay_is_there();
        if let Some(client) = client {
            // The next cut finds the relay with events that nobody has fetched.
            traffic.drain();
            assert!(client.program.stop().success());
        }
    }
    let client = world.listen_at(&relay, &[&target]);
    traffic.end();
    assert!(client.program.stop().success());
    let figures = traffic.compare(&world);
    assert_eq!(figures.repeated, 0, "the client never died");
    eprintln!("{figures}");
}

/// The client's disk. What it said to have stored, the relay has forgotten.
#[test]
#[ignore = "needs root; INHAUL_POWER_CUTS says how often"]
fn what_a_client_has_stored_survives_power_cuts() {
    let (mut numbers, seed) = Numbers::from_environment("INHAUL_POWER_SEED");
    eprintln!("INHAUL_POWER_SEED={seed}");
    let world = World::new();
    let Some(disk) = Disk::new(&world, "client") else { return };
    let relay = world.relay(&RELAY);
    let mut traffic = Traffic::start(&world.endpoint(&["--answer", "relay"]), 4000);
    let target = traffic.target.clone();
    traffic.relay_is_there();
    let mut client = world.listen_at(&relay, &[&target]);
    for _ in 0..number_from("INHAUL_POWER_CUTS", 50) {
        traffic.until_delivered(traffic.delivered() + numbers.below(800));
        disk.lose_power(client.program);
        traffic.client_died();
        client = world.listen_at(&relay, &[&target]);
    }
    traffic.end();
    assert!(client.program.stop().success());
    let figures = traffic.compare(&world);
    eprintln!("{figures}");
}
