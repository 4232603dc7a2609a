//! A document on its way to whoever asked, straight from its pieces.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::core::render::Document;

/// A frame has as many pieces as fit into this.
const FRAME: usize = 64 << 10;

/// Longer than any Prometheus waits for it. Who takes it as slowly as this holds a document in
/// memory that nobody else needs any more.
const LONGEST: Duration = Duration::from_secs(600);

/// The bytes of a document. Large pieces are not copied, small ones once.
pub(super) struct DocumentBody {
    document: Document,
    /// The number of the next chunk.
    next: usize,
    left: usize,
    until: Instant,
}

impl DocumentBody {
    pub(super) fn new(document: Document) -> Self {
        let left = document.len();
        Self { document, next: 0, left, until: Instant::now() + LONGEST }
    }

    fn frame(&mut self) -> Option<Bytes> {
        let first = self.document.chunk(self.next)?;
        if first.len() >= FRAME {
            self.next += 1;
            let chunk = Chunk { document: self.document.clone(), number: self.next - 1 };
            return Some(Bytes::from_owner(chunk));
        }
        let mut frame = Vec::with_capacity(FRAME.min(self.left));
        while let Some(chunk) = self.document.chunk(self.next)
            && frame.len() + chunk.len() <= frame.capacity()
        {
            frame.extend_from_slice(chunk);
            self.next += 1;
        }
        Some(frame.into())
    }
}

impl HttpBody for DocumentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        let Some(bytes) = self.frame() else { return Poll::Ready(None) };
        self.left -= bytes.len();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

/// A chunk of a document, which stays for as long as its bytes are needed.
struct Chunk {
    document: Document,
    number: usize,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.document.chunk(self.number).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Revision;
    use crate::core::render::Piece;
    use crate::core::value::{Labels, Target};

    fn check(sizes: &[usize]) {
        let mut document = Document::new(Revision(1));
        for (number, size) in sizes.iter().enumerate() {
            let addresses = (0..*size).map(|port| format!("h{port}:1").into()).collect();
            let target = Target::new(addresses, Labels::new());
            document.push(&Piece::render(&format!("{number:05}"), std::iter::once(&target)));
        }
        let mut body = DocumentBody::new(document.clone());
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame() {
            assert!(!frame.is_empty());
            body.left -= frame.len();
            bytes.extend_from_slice(&frame);
        }
        assert_eq!(body.left, 0);
        assert!(body.is_end_stream());
        assert!(bytes == document.to_vec(), "{sizes:?}");
    }

    #[test]
    fn the_frames_are_the_document_whatever_the_size_of_its_pieces() {
        check(&[]);
        check(&[1]);
        check(&[20_000]);
        check(&vec![1; 5_000]);
        check(&[20_000, 1, 1, 9_000, 3, 20_000, 1]);
    }
}
