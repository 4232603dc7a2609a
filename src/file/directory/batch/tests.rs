use super::*;
use crate::core::value::Target;

#[test]
fn a_file_that_comes_while_its_place_is_being_taken_is_not_overwritten() {
    let outside = tempfile::tempdir().expect("a directory");
    let directory = TargetDir::new(outside.path().to_owned(), None, false);
    let piece = Piece::render("api", [&Target::Address("h:1".into())].into_iter());
    let order = Order { piece: &piece, access: None };
    let job = directory.job(&Inventory::default(), &order).expect("a job");
    let staging = directory.staging().expect("a staging directory");
    let staged = job.stage(&staging).expect("staged").expect("something to write");
    let looks = stage::sync(&staged).expect("synced");
    fs::write(directory.file("api"), "mine").expect("written");
    let error = directory.put(&job, Some((staged, looks))).expect_err("not ours");
    assert!(matches!(error, Error::Stranger { .. }), "{error:?}");
    assert_eq!(fs::read(directory.file("api")).expect("read"), b"mine");
}

#[test]
fn a_failure_of_the_disk_stops_a_batch_and_one_of_a_file_does_not() {
    for (errno, stops) in [
        (Errno::NOSPC, true),
        (Errno::DQUOT, true),
        (Errno::ROFS, true),
        (Errno::NOENT, true),
        (Errno::ACCESS, true),
        (Errno::IO, true),
        (Errno::STALE, true),
        (Errno::PERM, false),
        (Errno::ISDIR, false),
        (Errno::BUSY, false),
    ] {
        let mut batch = Batch::<()>::default();
        batch.fail(Error::new("replace", Path::new("/"), errno.into(), 1));
        assert_eq!((batch.stopped.is_some(), batch.done.is_empty()), (stops, stops), "{errno:?}");
    }
}
