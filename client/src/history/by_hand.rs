//! A history without a thread: it does what it is told to, when it is told to, for a simulation in which one seed decides everything.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
};

use super::{
    History, HistoryError, Notes, Opened, Options,
    worker::{Message, Worker},
};
use crate::data_dir::DataDir;

/// What the history's thread would do.
pub struct ByHand {
    worker: Worker,
    sender: mpsc::Sender<Message>,
}

impl ByHand {
    /// Opens or makes the history of a data directory, as [`History::open_with`] does, but takes no lock and starts no thread. Its
    /// options must have [`Options::simulated`].
    ///
    /// # Errors
    /// As [`History::open_with`].
    pub fn open(data_dir: &Path, options: Options) -> Result<(Opened, Self), HistoryError> {
        let data = DataDir::open(Some(data_dir))?;
        let notes = Notes::default();
        let (sender, inbox) = mpsc::channel();
        let mut worker = Worker::new(data.history(), options, notes.clone(), (sender.clone(), inbox));
        worker.open()?;
        let opened = History::opened(sender.clone(), notes, Arc::new(Mutex::new(None)), data);
        Ok((opened, Self { worker, sender }))
    }

    /// Takes the next request, or what the journal has done; false when there is nothing.
    pub fn step(&mut self) -> bool {
        self.worker.step()
    }

    /// Lets the journals write what they have been given; false when there is nothing.
    pub fn write(&mut self) -> bool {
        self.worker.write()
    }

    /// Does what it was asked for before, and closes the files.
    pub fn close(self) {
        // The worker has the other end of it.
        let _ = self.sender.send(Message::Close(None));
        self.worker.run(&Arc::new(Mutex::new(None)));
    }
}
