use std::cell::Cell;
use std::path::Path;

use deployer::artifact::cache::Cache;
use tempfile::tempdir;

#[test]
fn what_did_not_change_is_read_once() {
    let directory = tempdir().unwrap();
    let place = directory.path().join("cache");
    let (cache, reads) = (Cache::new(&place), Cell::new(0));
    let read = |kind: &str| {
        let text = cache.read_once(kind, Path::new("/bin/true"), || {
            reads.set(reads.get() + 1);
            Ok(format!("{kind} of it"))
        });
        assert_eq!(text.unwrap(), format!("{kind} of it"));
        reads.get()
    };
    assert_eq!((read("sum"), read("sum")), (1, 1));
    assert_eq!((read("size"), read("sum")), (2, 2));
    for record in std::fs::read_dir(place.join("known")).unwrap() {
        std::fs::write(record.unwrap().path(), "damaged").unwrap();
    }
    assert_eq!((read("sum"), read("sum")), (3, 3));
    // Where nothing can be kept all is read.
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "no directory").unwrap();
    assert_eq!((read("sum"), read("sum")), (4, 5));
    let gone = cache.read_once("sum", Path::new("/nowhere/file"), || unreachable!());
    assert_eq!(gone.unwrap_err().to_string(), "cannot read /nowhere/file");
}
