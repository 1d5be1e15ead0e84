use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    replace(&path, b"old").unwrap();
    let fails = replace_with(&path, |file| {
        file.write_all(&[1; 100_000])?;
        Err(Error::other("no more space"))
    });
    assert_eq!(fails.unwrap_err().to_string(), "no more space");
    assert_eq!((names(folder.path()), fs::read(&path).unwrap()), (vec!["a".to_owned()], b"old".to_vec()));
    fs::create_dir(folder.path().join("b")).unwrap();
    assert_eq!(replace(folder.path().join("b"), b"").unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(replace(folder.path().join("none/a"), b"").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(replace(Path::new("/"), b"").is_err() && replace(Path::new(""), b"").is_err());
    assert_eq!(names(folder.path()), ["a", "b"]);
}

#[test]
fn only_files_of_a_killed_writer_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    for name in [".run.aBc123.part", ".other.aBc123.part", "run.part"] {
        fs::write(folder.path().join(name), [7; 100]).unwrap();
    }
    // One that is still being written.
    let alive = claim(&path).unwrap();
    fs::write(folder.path().join(".run.dEf456.part"), [7; 100]).unwrap();
    replace(&path, b"new").unwrap();
    assert!(alive.path().exists());
    drop(alive);
    assert_eq!(names(folder.path()), [".other.aBc123.part", "run", "run.part"]);
}

#[test]
fn writers_at_once_leave_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared");
    replace(&path, &[0; 5000]).unwrap();
    std::thread::scope(|scope| {
        let write = |byte: u8| (0..30).for_each(|_| replace(&path, &vec![byte; 5000 + usize::from(byte)]).unwrap());
        let writers: Vec<_> = (1..4).map(|byte| scope.spawn(move || write(byte))).collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let content = fs::read(&path).unwrap();
            assert_eq!(content, vec![content[0]; 5000 + usize::from(content[0])]);
        }
    });
    assert_eq!(names(folder.path()), ["shared"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn permissions_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"1").unwrap();
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").unwrap();
        assert_eq!(mode(&path), mode(&plain), "a new file is like any other");
        for bits in [0o600, 0o640, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            replace(&path, b"2").unwrap();
            assert_eq!(mode(&path), bits);
        }
    }

    #[test]
    fn links_lead_to_the_file_that_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("runs")).unwrap();
        symlink("runs/1", at("latest")).unwrap();
        symlink("latest", at("link")).unwrap();
        for content in [b"created", b"renewed"] {
            replace(at("link"), content).unwrap();
            assert_eq!(fs::read(at("runs/1")).unwrap(), content);
        }
        assert!(at("link").is_symlink() && at("latest").is_symlink());
        assert_eq!(names(&at("runs")), ["1"]);
        symlink("round", at("round")).unwrap();
        assert!(replace(at("round"), b"").is_err());
        // A link where a temporary file might be is not followed.
        symlink("/dev/null", at(".runs.000000.part")).unwrap();
        replace(at("runs/2"), b"x").unwrap();
        assert_eq!(fs::read(at("runs/2")).unwrap(), b"x");
    }

    #[test]
    fn devices_and_pipes_are_written_to() {
        replace("/dev/null", b"gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        replace(&pipe, &[5; 200_000]).unwrap();
        assert_eq!(reader.join().unwrap(), [5; 200_000]);
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(names(folder.path()), ["pipe"]);
    }

    #[test]
    fn a_file_that_may_not_be_written_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"kept").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        // Root may write everything.
        if fs::OpenOptions::new().write(true).open(&path).is_err() {
            assert_eq!(replace(&path, b"new").unwrap_err().kind(), ErrorKind::PermissionDenied);
            assert_eq!(fs::read(&path).unwrap(), b"kept");
        }
        assert_eq!(names(folder.path()), ["a"]);
    }

    /// A process that is killed while it writes leaves the old content or the new one.
    #[test]
    fn a_killed_writer_leaves_a_whole_file() {
        const PATH: &str = "OHMGRAD_TEST_REPLACE";
        if let Some(path) = std::env::var_os(PATH) {
            for byte in 0u8.. {
                replace(&path, &vec![byte; 300_000]).unwrap();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, &[9; 300_000]).unwrap();
        for round in 0..12 {
            let mut writer = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "replace::tests::unix::a_killed_writer_leaves_a_whole_file"])
                .env(PATH, &path)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20 + 7 * round));
            writer.kill().unwrap();
            writer.wait().unwrap();
            let content = fs::read(&path).unwrap();
            assert_eq!(content, vec![content[0]; 300_000]);
        }
        replace(&path, b"end").unwrap();
        assert_eq!(names(folder.path()), ["a"]);
    }
}
