//! Discovery by HTTP as an output: the document on the board, which requests are answered from.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Claim, Look, Output, Publication, Written};
use crate::board::Board;
use crate::core::render::Document;
use crate::core::status::OutputKind;
use crate::file::Error;

/// What requests are answered from. Nobody else can write there, and nothing can fail.
pub(in crate::actors) struct HttpOutput {
    board: Arc<Board>,
}

impl HttpOutput {
    pub(in crate::actors) fn new(board: Arc<Board>) -> Self {
        Self { board }
    }
}

impl Output for HttpOutput {
    fn kind(&self) -> OutputKind {
        OutputKind::Http
    }

    fn path(&self) -> &Path {
        Path::new("/sd")
    }

    fn claim(&mut self) -> Result<Claim, Error> {
        Ok(Claim::Ours)
    }

    fn baseline(&self) -> Option<Document> {
        None
    }

    fn look(&mut self, _: bool, _: Instant) -> Result<Look, Error> {
        Ok(Look::default())
    }

    fn holds(&self, document: &Document) -> Result<bool, Error> {
        Ok(self.board.published().is_some_and(|published| published.document.same_bytes(document)))
    }

    fn publish(&mut self, document: &Document, _: Instant) -> Publication {
        let is_news = !self.holds(document).unwrap_or(false);
        self.board.publish(document.clone());
        let took = Duration::ZERO;
        Publication::new(if is_news { Written::Now { files: 0, took } } else { Written::Before })
    }

    fn has_published(&self) -> bool {
        self.board.published().is_some()
    }

    fn is_fight(&self, _: Instant) -> bool {
        false
    }
}
