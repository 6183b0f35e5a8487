//! Asks a process of its own what a jq program makes of a body.

use std::{env, io, process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use super::{Answer, BODY_MAX_BYTES, Bounds, ERROR_MAX_BYTES};
use crate::output::{size_text, time_text};

/// A way to a process that runs programs, one after another. It is started when it is needed, and ended when an answer is not waited for
/// any longer. A clone is another handle of the same.
#[derive(Clone, Default)]
pub(crate) struct Jq(Arc<Mutex<Option<Worker>>>);

struct Worker {
    /// Ends when it is dropped.
    _child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
}

impl Jq {
    /// Runs a program, which must be one, on a body.
    ///
    /// # Errors
    /// With a sentence: it used more than it may.
    pub(crate) async fn run(&self, program: &str, body: &[u8], bounds: Bounds) -> Result<Answer, String> {
        if body.len() > BODY_MAX_BYTES {
            return Err(format!("the body has more than {}", size_text(BODY_MAX_BYTES as u64)));
        }
        let mut free = self.0.lock().await;
        let asked = async {
            // Taken for as long as it is asked: one that was given up in between would answer the wrong question.
            let mut worker = match free.take() {
                Some(worker) => worker,
                None => Worker::start()?,
            };
            let answer = worker.ask(program, body, bounds).await?;
            *free = Some(worker);
            Ok::<_, io::Error>(answer)
        };
        match timeout(bounds.time, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("it cannot be run: {error}"))
            }
            Ok(Err(_)) => {
                Err("it broke off: it needs more memory than it may have, or nests too deep".to_owned())
            }
            Err(_) => Err(format!("it was ended after {}", time_text(bounds.time))),
        }
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("jq-worker").env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C on a terminal is not meant for it.
        let mut child = command.process_group(0).spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        Ok(Self { _child: child, requests, answers })
    }

    async fn ask(&mut self, program: &str, body: &[u8], bounds: Bounds) -> io::Result<Answer> {
        let lengths = [program.len(), body.len()].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let seconds = u32::try_from(bounds.time.as_secs()).unwrap_or(u32::MAX);
        let numbers = [lengths[0], lengths[1], bounds.output_bytes, seconds];
        let head: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        self.requests.write_all(&head).await?;
        self.requests.write_all(program.as_bytes()).await?;
        self.requests.write_all(body).await?;
        let output = self.answers.read_u32_le().await?;
        let error = self.answers.read_u32_le().await? as usize;
        if output > bounds.output_bytes || error > ERROR_MAX_BYTES {
            return Err(io::Error::other("the answer is too long"));
        }
        let mut flags = [0; 3];
        self.answers.read_exact(&mut flags).await?;
        let mut answer = Answer {
            output: vec![0; output as usize],
            is_cut: flags[0] != 0,
            is_true: flags[1] != 0,
            error: None,
        };
        self.answers.read_exact(&mut answer.output).await?;
        let mut text = vec![0; error];
        self.answers.read_exact(&mut text).await?;
        answer.error = (flags[2] != 0).then(|| String::from_utf8_lossy(&text).into_owned());
        Ok(answer)
    }
}
