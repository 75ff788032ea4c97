//! The agent's side of the pipe to its slot.

use std::io;
use std::os::fd::AsFd;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::wire::{self, ToAgent};

/// What the slot tells.
#[derive(Debug)]
pub(super) struct Input(Lines<BufReader<Receiver>>);

impl Input {
    pub(super) fn stdin() -> io::Result<Self> {
        let end = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        Ok(Self(BufReader::new(end).lines()))
    }

    /// The next message; `None` when the slot is gone. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> io::Result<Option<ToAgent>> {
        match self.0.next_line().await? {
            Some(line) => Ok(Some(serde_json::from_str(&line)?)),
            None => Ok(None),
        }
    }
}

/// What the slot is told.
#[derive(Debug)]
pub(super) struct Output(Sender);

impl Output {
    pub(super) fn stdout() -> io::Result<Self> {
        Ok(Self(Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?))
    }

    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        self.0.write_all(&wire::line(message)?).await
    }
}
