use super::*;

fn settings(bytes: u64) -> SpoolSettings {
    SpoolSettings {
        bytes,
        ..SpoolSettings::default()
    }
}

fn append(spool: &mut Spool, sequences: std::ops::Range<u64>) {
    let padding = "x".repeat(1000);
    for sequence in sequences {
        spool.add(&Record {
            timestamp: 0,
            sequence,
            place: Place::Last(&[]),
            run: "r",
            topic: "t",
            event: &padding,
        });
    }
    let sync = spool.write().expect("records are written");
    spool.keep(sync()).expect("records are kept");
}

fn open(directory: &Path, first: u64) -> (Spool, Vec<u64>) {
    let mut found = Vec::new();
    let spool = Spool::open(directory, &settings(1 << 20), first, |_, record| {
        found.push(record.sequence);
    });
    (spool.expect("the spool opens"), found)
}

/// Reads all that is left: tickets, which here are the sequences as well.
fn rest(spool: &mut Spool) -> Vec<u64> {
    let mut tickets = Vec::new();
    let see = |ticket, record: &Record<'_>| {
        assert_eq!(record.sequence, ticket);
        tickets.push(ticket);
    };
    let mut see = see;
    while spool.next(70, &mut see).expect("records are read") > 0 {}
    tickets
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn records_are_read_in_order_over_segments_and_again_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut spool, found) = open(directory.path(), 0);
    assert_eq!(found, [0; 0]);
    for start in (0..600).step_by(50) {
        append(&mut spool, start..start + 50);
        if start == 100 {
            assert_eq!(rest(&mut spool), (0..150).collect::<Vec<_>>());
        }
    }
    assert_eq!(rest(&mut spool), (150..600).collect::<Vec<_>>());
    assert!(segments(directory.path()).len() > 3);
    spool.rewind(222).expect("rewinds");
    assert_eq!(rest(&mut spool), (222..600).collect::<Vec<_>>());
    let bytes = spool.bytes();
    drop(spool);
    let (mut spool, found) = open(directory.path(), 333);
    assert_eq!(found, (0..600).collect::<Vec<_>>());
    assert_eq!((spool.bytes(), spool.end()), (bytes, 600));
    append(&mut spool, 600..601);
    assert_eq!(rest(&mut spool), (333..601).collect::<Vec<_>>());
}

#[test]
fn confirmed_segments_go_away_and_the_last_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut spool, _) = open(directory.path(), 0);
    let mut end = 0;
    while !spool.is_full(0) {
        append(&mut spool, end..end + 100);
        end += 100;
    }
    assert!(
        (900..1200).contains(&end),
        "{end} kilobytes fill a megabyte"
    );
    spool.release(end / 2).expect("segments go");
    assert!(!spool.is_full(0));
    assert_eq!(rest(&mut spool).last(), Some(&(end - 1)));
    spool.release(end).expect("segments go");
    assert_eq!(segments(directory.path()).len(), 1);
    drop(spool);
    // The state knows that all is confirmed, even where the files are gone.
    for path in segments(directory.path()) {
        std::fs::remove_file(path).expect("is removed");
    }
    let (mut spool, found) = open(directory.path(), end);
    assert_eq!((found.len(), spool.end()), (0, end));
    append(&mut spool, end..end + 1);
    assert_eq!(rest(&mut spool), [end]);
}

#[test]
fn a_write_cut_off_at_any_byte_is_removed_and_the_rest_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut spool, _) = open(directory.path(), 0);
    append(&mut spool, 0..2);
    let kept = usize::try_from(spool.bytes()).expect("small");
    append(&mut spool, 2..3);
    drop(spool);
    let path = segments(directory.path()).remove(0);
    let whole = std::fs::read(&path).expect("is read");
    for length in (kept..whole.len()).step_by(7) {
        for tail in [0, 100] {
            // The file may have grown before its bytes came.
            let mut bytes = whole[..length].to_vec();
            bytes.resize(length + tail, 0);
            std::fs::write(&path, bytes).expect("is written");
            let (mut spool, found) = open(directory.path(), 1);
            assert_eq!(found, [0, 1], "cut at {length}");
            assert!(!spool.is_damaged());
            append(&mut spool, 2..4);
            assert_eq!(rest(&mut spool), [1, 2, 3]);
        }
    }
}

#[test]
fn damage_is_kept_aside_and_the_other_segments_are_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut spool, _) = open(directory.path(), 0);
    for start in (0..400).step_by(10) {
        append(&mut spool, start..start + 10);
    }
    drop(spool);
    let paths = segments(directory.path());
    let mut bytes = std::fs::read(&paths[1]).expect("is read");
    bytes[5000] ^= 1;
    std::fs::write(&paths[1], bytes).expect("is written");
    let (mut spool, found) = open(directory.path(), 0);
    assert!(spool.is_damaged() && paths[1].with_extension("damaged").exists());
    let read = rest(&mut spool);
    assert_eq!(read, found);
    let lost: Vec<u64> = (0..400).filter(|ticket| !read.contains(ticket)).collect();
    assert!(!lost.is_empty() && lost.len() < 200, "{lost:?}");
    assert_eq!(read.last(), Some(&399));
    append(&mut spool, 400..401);
    assert_eq!(rest(&mut spool), [400]);
}

#[test]
fn a_disk_that_is_full_leaves_the_spool_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut spool, _) = open(directory.path(), 0);
    append(&mut spool, 0..3);
    // Writing to it fails as on a disk without room.
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("is there");
    let file = std::mem::replace(&mut spool.file, Arc::new(full));
    let record = Record {
        timestamp: 0,
        sequence: 3,
        place: Place::Last(&[]),
        run: "r",
        topic: "t",
        event: "x",
    };
    spool.add(&record);
    assert!(spool.write().is_err());
    spool.file = file;
    // What the disk reports only when it is asked to have it.
    spool.add(&record);
    assert!(spool.write().is_ok());
    assert!(spool.keep(Err(io::ErrorKind::StorageFull.into())).is_err());
    append(&mut spool, 3..5);
    assert_eq!(rest(&mut spool), (0..5).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_a_crash_left_in_part_is_cut_off_whole_and_former_records_are_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut spool, _) = open(directory.path(), 0);
    let places = [
        Place::Former([1, 2]),
        Place::Within,
        Place::Last(b"x"),
        Place::Within,
        Place::Within,
    ];
    for (sequence, place) in (0..).zip(places) {
        spool.add(&Record {
            timestamp: 0,
            sequence,
            place,
            run: "r",
            topic: "t",
            event: "e",
        });
    }
    let sync = spool.write().expect("records are written");
    sync().expect("the disk has them");
    // The process ends here: nobody was told that they are there.
    drop(spool);
    for _ in 0..2 {
        let (mut spool, found) = open(directory.path(), 0);
        assert_eq!(found, [0, 1, 2]);
        assert!(!spool.is_damaged());
        assert_eq!(rest(&mut spool), [0, 1, 2]);
    }
    let (mut spool, _) = open(directory.path(), 0);
    append(&mut spool, 3..5);
    drop(spool);
    assert_eq!(open(directory.path(), 0).1, [0, 1, 2, 3, 4]);
}
